//! A call as `CreateFleet` takes it.

use std::num::TryFromIntError;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::create_fleet::builders::CreateFleetFluentBuilder;
use aws_sdk_ec2::types::{
    DefaultTargetCapacityType, FleetBlockDeviceMappingRequest, FleetEbsBlockDeviceRequest,
    FleetLaunchTemplateConfigRequest, FleetLaunchTemplateOverridesRequest,
    FleetLaunchTemplateSpecificationRequest, FleetOnDemandAllocationStrategy, FleetType, InstanceType,
    OnDemandOptionsRequest, ResourceType, SpotAllocationStrategy, SpotInstanceInterruptionBehavior,
    SpotOptionsRequest, Tag, TagSpecification, TargetCapacitySpecificationRequest, VolumeType,
};
use mayfly_core::fleet::FleetOrder;
use mayfly_core::ids::MachineImage;
use mayfly_core::launch::ClientToken;
use mayfly_core::machine::{MachineRequest, Market};

/// The most overrides of a call. EC2 gives the number for fleets of other types (EC2 API reference,
/// `FleetLaunchTemplateConfigRequest`) and none for `instant`; no mapping needs more.
const MOST_OVERRIDES: usize = 300;

/// The call. It depends on nothing but its arguments: what is sent again with a token must be the same.
pub(super) fn request(
    client: &Client,
    token: &ClientToken,
    order: &FleetOrder,
) -> Result<CreateFleetFluentBuilder, TryFromIntError> {
    let machine = &order.machine;
    let template = FleetLaunchTemplateSpecificationRequest::builder()
        .launch_template_id(&machine.launch_template)
        .version(&machine.launch_template_version)
        .build();
    let config = FleetLaunchTemplateConfigRequest::builder()
        .launch_template_specification(template)
        .set_overrides(Some(overrides(machine)?))
        .build();
    let capacity = TargetCapacitySpecificationRequest::builder()
        .total_target_capacity(i32::try_from(order.members.len())?)
        .default_target_capacity_type(match order.market {
            Market::Spot => DefaultTargetCapacityType::Spot,
            Market::OnDemand => DefaultTargetCapacityType::OnDemand,
        })
        .build();
    let request = client
        .create_fleet()
        .client_token(token.as_str())
        .r#type(FleetType::Instant)
        .launch_template_configs(config)
        .target_capacity_specification(capacity)
        .set_tag_specifications(Some(tags(order, token)));
    Ok(match order.market {
        Market::Spot => request.spot_options(
            SpotOptionsRequest::builder()
                .allocation_strategy(SpotAllocationStrategy::PriceCapacityOptimized)
                .instance_interruption_behavior(SpotInstanceInterruptionBehavior::Terminate)
                .build(),
        ),
        Market::OnDemand => request.on_demand_options(
            OnDemandOptionsRequest::builder()
                .allocation_strategy(FleetOnDemandAllocationStrategy::LowestPrice)
                .build(),
        ),
    })
}

/// Each instance type in each subnet, each once, and as many as a call may have: subnets before instance types, so that no
/// zone is left out.
fn overrides(machine: &MachineRequest) -> Result<Vec<FleetLaunchTemplateOverridesRequest>, TryFromIntError> {
    let size = machine.root_volume_gib.map(i32::try_from).transpose()?;
    let volume = size.map(|size| root_volume(machine, size));
    let subnets: Vec<Option<&str>> = match &machine.subnets[..] {
        [] => vec![None],
        subnets => subnets.iter().map(|subnet| Some(subnet.as_str())).collect(),
    };
    let pools = machine
        .instance_types
        .iter()
        .flat_map(|name| subnets.iter().map(move |subnet| (name.as_str(), *subnet)));
    let mut distinct = Vec::new();
    for pool in pools {
        if !distinct.contains(&pool) {
            distinct.push(pool);
        }
    }
    let image = image(&machine.image);
    let request = |(name, subnet): (&str, Option<&str>)| {
        FleetLaunchTemplateOverridesRequest::builder()
            .instance_type(InstanceType::from(name))
            .set_subnet_id(subnet.map(str::to_owned))
            .image_id(&image)
            .set_block_device_mappings(volume.clone().map(|volume| vec![volume]))
            .build()
    };
    Ok(distinct.into_iter().take(MOST_OVERRIDES).map(request).collect())
}

/// The root volume in another size than the launch template's. Nothing is taken over from there, so it says everything.
fn root_volume(machine: &MachineRequest, size: i32) -> FleetBlockDeviceMappingRequest {
    let disk = FleetEbsBlockDeviceRequest::builder()
        .volume_type(VolumeType::Gp3)
        .volume_size(size)
        .encrypted(true)
        .set_kms_key_id(machine.root_volume_key.clone())
        .delete_on_termination(true)
        .build();
    FleetBlockDeviceMappingRequest::builder().device_name(&machine.root_device).ebs(disk).build()
}

/// An image as EC2 takes it: a parameter is resolved by EC2 itself.
fn image(image: &MachineImage) -> String {
    let text = image.as_str();
    if text.starts_with('/') { format!("resolve:ssm:{text}") } else { text.to_owned() }
}

/// The same tags for machines and volumes. A launch template's own are merged with them by EC2.
fn tags(order: &FleetOrder, token: &ClientToken) -> Vec<TagSpecification> {
    let tags: Vec<Tag> = order
        .tags(token)
        .into_iter()
        .map(|(name, value)| Tag::builder().key(name).value(value).build())
        .collect();
    let of =
        |resource| TagSpecification::builder().resource_type(resource).set_tags(Some(tags.clone())).build();
    [ResourceType::Instance, ResourceType::Volume].map(of).into()
}

#[cfg(test)]
mod tests {
    use mayfly_standins::contracts::{fleet_order, full_machine_request};

    use super::*;

    fn pools(machine: &MachineRequest) -> Vec<String> {
        let overrides = overrides(machine).unwrap();
        let pool = |one: &FleetLaunchTemplateOverridesRequest| {
            let name = one.instance_type().map(InstanceType::as_str).unwrap_or_default();
            format!("{name} {}", one.subnet_id().unwrap_or("-"))
        };
        overrides.iter().map(pool).collect()
    }

    #[test]
    fn overrides_are_instance_types_times_subnets_each_once() {
        let mut machine = fleet_order([1]).machine;
        let all =
            ["m7g.large subnet-0a", "m7g.large subnet-0b", "m6g.large subnet-0a", "m6g.large subnet-0b"];
        assert_eq!(pools(&machine), all);
        machine.instance_types.extend(machine.instance_types.clone());
        machine.subnets.extend(machine.subnets.clone());
        assert_eq!(pools(&machine), all);
        machine.subnets.clear();
        assert_eq!(pools(&machine), ["m7g.large -", "m6g.large -"]);
    }

    #[test]
    fn there_are_as_many_overrides_as_ec2_takes() {
        let mut machine = fleet_order([1]).machine;
        machine.instance_types = (0..200).map(|number| format!("m{number}.large").parse().unwrap()).collect();
        let pools = pools(&machine);
        assert_eq!(pools.len(), MOST_OVERRIDES);
        assert_eq!(pools[MOST_OVERRIDES - 1], "m149.large subnet-0b");
    }

    #[test]
    fn a_volume_of_its_own_is_encrypted_and_goes_with_the_machine() {
        let overrides = overrides(&full_machine_request()).unwrap();
        assert_eq!(overrides.len(), 4);
        for one in overrides {
            let [volume] = one.block_device_mappings() else { unreachable!("one volume") };
            assert_eq!(volume.device_name(), Some("/dev/xvda"));
            let disk = volume.ebs().unwrap();
            assert_eq!((disk.volume_type(), disk.volume_size()), (Some(&VolumeType::Gp3), Some(100)));
            assert_eq!((disk.encrypted(), disk.delete_on_termination()), (Some(true), Some(true)));
            assert_eq!(disk.kms_key_id(), full_machine_request().root_volume_key.as_deref());
            assert_eq!(one.image_id(), Some("resolve:ssm:/mayfly/images/x86"));
        }
    }
}
