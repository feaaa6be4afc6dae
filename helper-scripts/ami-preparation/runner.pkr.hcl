# The image of Mayfly's runners. README.md in this folder says how it is used.

packer {
  required_version = ">= 1.10.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1.3"
    }
  }
}

variable "agent" {
  type        = string
  description = "Path of the program mayfly-agent, built for the architecture with its feature `machine`."
}

variable "region" {
  type        = string
  description = "Region in which the image is made, which is the region of the autoscaler stack."
}

variable "system" {
  type        = string
  description = "`ubuntu-24.04` or `amazon-linux-2023`."
  default     = "amazon-linux-2023"

  validation {
    condition     = contains(["ubuntu-24.04", "amazon-linux-2023"], var.system)
    error_message = "The system must be ubuntu-24.04 or amazon-linux-2023."
  }
}

variable "architecture" {
  type        = string
  description = "`arm64` or `x86_64`."
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture must be arm64 or x86_64."
  }
}

variable "subnet_id" {
  type        = string
  description = "Subnet of the machine on which the image is made. Empty takes one of the default VPC."
  default     = ""
}

variable "public_address" {
  type        = bool
  description = "Whether that machine gets a public address. Say false if you reach the subnet from within."
  default     = true
}

variable "ssh_from" {
  type        = list(string)
  description = "Address ranges (CIDR) that may reach that machine by SSH. Empty takes the public address of the machine Packer runs on."
  default     = []
}

variable "root_volume_gib" {
  type        = number
  description = "Size of the image's disk in GiB. Machines may have a larger one, never a smaller one."
  default     = 8
}

variable "kms_key_id" {
  type        = string
  description = "KMS key of the image's disk. Empty takes the account's own key for EBS, with which an image cannot be shared."
  default     = ""
}

variable "deprecate_after" {
  type        = string
  description = "After how long EC2 marks the image as deprecated, as a duration such as `2160h` (90 days)."
  default     = "2160h"
}

variable "ca_file" {
  type        = string
  description = "Path of a certificate (PEM) that runners shall trust, such as that of your own GitLab. Empty for none."
  default     = ""
}

variable "docker_images" {
  type        = list(string)
  description = "Docker images to pull into the image. Each makes it larger; name them by digest if you can."
  default     = []
}

variable "helper_image" {
  type        = bool
  description = "Whether to pull the image that gitlab-runner's docker executor needs for every job."
  default     = false
}

variable "sudo" {
  type        = bool
  description = "Whether jobs may become root with sudo."
  default     = false
}

variable "ssh" {
  type        = bool
  description = "Whether the machines' SSH server stays on and takes a key pair. For finding faults."
  default     = false
}

variable "tags" {
  type        = map(string)
  description = "Further tags of the image, its snapshot, and of the machine on which it is made."
  default     = {}
}

locals {
  systems = {
    "ubuntu-24.04"      = { owner = "099720109477", user = "ubuntu", root_device = "/dev/sda1" }
    "amazon-linux-2023" = { owner = "amazon", user = "ec2-user", root_device = "/dev/xvda" }
  }
  system        = local.systems[var.system]
  instance_type = var.architecture == "arm64" ? "t4g.medium" : "t3.medium"
  name          = "mayfly-runner-${var.system}-${var.architecture}-${formatdate("YYYYMMDD-hhmmss", timestamp())}"
  tags = merge(var.tags, {
    "Name"                = local.name
    "mayfly:system"       = var.system
    "mayfly:architecture" = var.architecture
  })

  folder = "/tmp/mayfly-image"
  arguments = concat(
    ["--agent", "${local.folder}/${basename(var.agent)}"],
    var.ca_file == "" ? [] : ["--ca", "${local.folder}/${basename(var.ca_file)}"],
    [for image in var.docker_images : "--docker-image ${image}"],
    var.helper_image ? ["--helper-image"] : [],
    var.sudo ? ["--sudo"] : [],
    var.ssh ? ["--ssh"] : []
  )
}

# The newest image of the system. The parameters are Canonical's and AWS's own; that the image has the right owner is asked for below.
# There are no locals in here, because older versions of Packer do not know them yet when they read this.
data "amazon-parameterstore" "source" {
  region = var.region
  name = (
    var.system == "ubuntu-24.04"
    ? "/aws/service/canonical/ubuntu/server/24.04/stable/current/${var.architecture == "x86_64" ? "amd64" : "arm64"}/hvm/ebs-gp3/ami-id"
    : "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${var.architecture}"
  )
}

source "amazon-ebs" "runner" {
  region        = var.region
  instance_type = local.instance_type
  subnet_id     = var.subnet_id

  source_ami_filter {
    filters = {
      image-id     = data.amazon-parameterstore.source.value
      architecture = var.architecture
    }
    owners      = [local.system.owner]
    most_recent = true
  }

  # The machine on which the image is made: reachable from here only, with a key of its own, and gone afterwards.
  ssh_username                              = local.system.user
  temporary_key_pair_type                   = "ed25519"
  associate_public_ip_address               = var.public_address
  temporary_security_group_source_public_ip = length(var.ssh_from) == 0
  temporary_security_group_source_cidrs     = var.ssh_from
  shutdown_behavior                         = "terminate"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  launch_block_device_mappings {
    device_name           = local.system.root_device
    volume_type           = "gp3"
    volume_size           = var.root_volume_gib
    encrypted             = true
    kms_key_id            = var.kms_key_id
    delete_on_termination = true
  }
  run_tags        = local.tags
  run_volume_tags = local.tags

  # The image: private, encrypted as the disk above, and its machines have IMDSv2 only.
  ami_name        = local.name
  ami_description = "Runner of Mayfly: ${var.system}, ${var.architecture}"
  imds_support    = "v2.0"
  deprecate_at    = timeadd(timestamp(), var.deprecate_after)
  tags            = merge(local.tags, { "mayfly:source" = "{{ .SourceAMI }}" })
  snapshot_tags   = local.tags
}

build {
  sources = ["source.amazon-ebs.runner"]

  provisioner "shell" {
    inline = ["mkdir -m 0700 ${local.folder}"]
  }

  provisioner "file" {
    sources = compact([
      "${path.root}/install",
      "${path.root}/clean",
      "${path.root}/versions.env",
      "${path.root}/unneeded-units",
      "${path.root}/mayfly-agent.service",
      "${path.root}/custom.d",
      var.agent,
      var.ca_file,
    ])
    destination = "${local.folder}/"
  }

  # One call: `install` ends with removing the key this connection was made with.
  provisioner "shell" {
    inline = ["sudo bash ${local.folder}/install ${join(" ", local.arguments)} && sudo rm -rf ${local.folder}"]
  }

  post-processor "manifest" {
    output = "manifest.json"
  }
}
