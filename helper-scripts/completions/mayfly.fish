# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mayfly_global_optspecs
    string join \n log-format= log= h/help V/version
end

function __fish_mayfly_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mayfly_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mayfly_using_subcommand
    set -l cmd (__fish_mayfly_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mayfly -n "__fish_mayfly_needs_command" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_needs_command" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_needs_command" -s V -l version -d 'Print version'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "local" -d 'Run all of Mayfly on this machine: take GitLab\'s job webhook, start one runner process for each waiting job'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "mappings" -d 'Look at and change which jobs run where'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "pause" -d 'Keep jobs waiting: those of a mapping, or all'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "resume" -d 'Let jobs start again that `mayfly pause` keeps waiting'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "explain" -d 'Say where a job goes, and why'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "hooks" -d 'Install, list or remove GitLab\'s job webhook, in one project, in several, or in all of a group'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "doctor" -d 'Look at an installation: is everything there, does it fit together, may it do what it must, and what is near its limit'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "timeline" -d 'Print what happened to one job: every change with its time and reason, the runners started for it and how they ended, and what the job waited for'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "runners" -d 'List every runner that is not known to be gone, the oldest first, and why it lives'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "reconcile" -d 'Have the reconciler make a pass now: compare jobs, runners and machines, and repair what is out of order'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "events" -d 'Look at job events that are kept, or could not be handled, and have them handled once more'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "completions" -d 'Print what makes a shell complete commands and flags of `mayfly`'
complete -c mayfly -n "__fish_mayfly_needs_command" -f -a "man" -d 'Print the manual page of `mayfly`, or write the pages of all commands into a folder'
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l config -d 'Settings file (TOML). Flags and environment variables come before it' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l listen -d 'Where to listen for webhooks. [default: 127.0.0.1:8080]' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l data-dir -d 'Folder for the store and the runners. Keeps everything that must survive a restart. [default: ./mayfly-data]' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l gitlab-url -d 'GitLab\'s address, such as `https://gitlab.example.com`. Required' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l gitlab-ca-file -d 'Certificates (PEM) of a private authority that signed GitLab\'s' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l registration -d 'How runners get their token. `per-job` needs the secret `api-token` (scopes `create_runner`, `manage_runner`, `read_api`); `shared` needs `runner-token`; `registration-token` needs `registration-token`, and a GitLab before 20 that still allows it. [default: per-job]' -r -f -a "per-job\t''
shared\t''
registration-token\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l signature -d 'What authenticates a webhook when a signing token is set: its signature alone (`required`), or the secret token too (`optional`, while a hook is moved from one to the other). [default: required]' -r -f -a "required\t''
optional\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l default-target -d 'Where jobs without a mapping go: `local`, or `none` if they are not ours. [default: local]' -r -f -a "local\t''
none\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l executor -d 'How the default target runs scripts. [default: shell]' -r -f -a "shell\t''
docker\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l wait-timeout -d 'How long a runner of the default target waits for its job, in seconds. [default: 300]' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l max-life -d 'How long a runner of the default target may live, in seconds. A job still running 40 s before its end is stopped and fails. [default: 3600]' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l pass-env -d 'Environment variables that jobs of the default target get besides PATH, HOME, LANG and the like. May be repeated' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l max-runners -d 'How many runners may live at once. Further jobs wait. [default: 4]' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l runner -d 'The gitlab-runner program. [default: gitlab-runner, from the PATH]' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l drain-timeout -d 'How long running jobs may take to end when Mayfly is told to stop (SIGTERM or Ctrl-C), in seconds. After that they are stopped. [default: 600]' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand local" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "list" -d 'List the mappings, in the order of their keys'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "get" -d 'Print one mapping, as a document that `import` takes'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "put" -d 'Add a mapping, or change the one that is there'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "rm" -d 'Remove one mapping'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "export" -d 'Write all mappings as a document'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "import" -d 'Write the mappings of a document: those that are new, and those that differ. None is removed'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "diff" -d 'Show what `apply` would change. The exit code is 0 if that is nothing, and 3 if there are differences'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "apply" -d 'Make the table have the mappings of a document'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "lint" -d 'Look for mistakes in the mapping table: rows that cannot be read or reached, tags that do not decide, functions that are missing or too short, and, with --ci, jobs without a mapping and mappings without a job'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "history" -d 'Show who changed which mappings, the newest change first'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and not __fish_seen_subcommand_from list get put rm export import diff apply lint history rollback" -f -a "rollback" -d 'Take a change back: what it added goes, what it changed and removed is as it was'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l project -d 'Only rows for this project' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l job -d 'Only rows whose job name begins so' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l type -d 'Only rows with this target: `LAMBDA`, `EC2` or `LOCAL`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l job -d 'The job\'s name; `deploy-*` is every name that begins so, `*` every name, and a star at the end of a name itself is written `\\*`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l project -d 'The only project the row is for, such as `group/app`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l tags -d 'The tags of the row, with commas between them' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l pk -d 'The partition key as it is in the table, for a row that was typed by hand' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l sk -d 'The sort key as it is in the table' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l job -d 'The job\'s name; `deploy-*` is every name that begins so, `*` every name, and a star at the end of a name itself is written `\\*`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l project -d 'The only project the row is for, such as `group/app`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l tags -d 'The tags of the row, with commas between them' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l pk -d 'The partition key as it is in the table, for a row that was typed by hand' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l sk -d 'The sort key as it is in the table' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l type -d 'Where its runners start: `LAMBDA`, `EC2` or `LOCAL`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l arn -d 'The function of a `LAMBDA` mapping' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l executor -d '`shell` or `docker`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l max-life-seconds -d 'How long a runner may live, in seconds' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l wait-timeout-seconds -d 'How long a runner waits for its job, in seconds' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l purchase -d '`spot`, `on-demand` or `spot-first`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l architecture -d '`arm64` or `x86_64`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l instance-types -d 'The instance types that will do, with commas between them' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l image -d 'What instances start from' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l set -d 'Any attribute, its value as it would stand in a YAML document, such as `pass_env=[LANG, TZ]` or `owner=the build team`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l unset -d 'An attribute to take away' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l file -d 'A file with attributes, as they stand below a mapping in a document; `-` is standard input. A flag says more than the file' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from put" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l job -d 'The job\'s name; `deploy-*` is every name that begins so, `*` every name, and a star at the end of a name itself is written `\\*`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l project -d 'The only project the row is for, such as `group/app`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l tags -d 'The tags of the row, with commas between them' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l pk -d 'The partition key as it is in the table, for a row that was typed by hand' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l sk -d 'The sort key as it is in the table' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -l prune -d 'Mappings that the document does not have are differences as well'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l prune -d 'Remove the mappings that the document does not have'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l ci -d 'A `.gitlab-ci.yml` file, at the root of its repository, to compare the table with. May be repeated. Local files that it includes are read too; what is included from elsewhere is named' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l project -d 'The project that the files are of, such as `group/app`; or one for each file, in the order of --ci. Without it, the files may be of any project' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l default-target -d 'The default target, if it is not as the stack has it, or `local` for a data folder' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l fail-on -d 'The mildest finding that the exit code tells of' -r -f -a "error\t''
warning\t''
note\t''
never\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l table -d 'The ledger\'s DynamoDB table. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l mapping-table -d 'The mapping table. Without it, the stack\'s outputs tell. What the stack\'s parameters say, such as the default target, is then not known' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -s o -l output -d 'How findings are printed. Text is for people and may change; JSON keeps its names; SARIF (2.1.0) is for tools that show findings of many programs' -r -f -a "text\t''
json\t''
sarif\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l offline -d 'Ask Lambda for no function; for a document, ask AWS for nothing at all'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -l without-job-tags -d 'The installation has no API token, so that it never knows the tags of jobs'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l limit -d 'How many changes are shown at most' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l force -d 'Also take back rows that were changed again since'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c mayfly -n "__fish_mayfly_using_subcommand mappings; and __fish_seen_subcommand_from rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l project -d 'Only rows for this project' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l tags -d 'Only the row with just these tags, with commas between them' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l reason -d 'Why; whoever looks at a waiting job is told' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c mayfly -n "__fish_mayfly_using_subcommand pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l project -d 'Only rows for this project' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l tags -d 'Only the row with just these tags, with commas between them' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they replace the table\'s at each start' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l mapping-table -d 'The DynamoDB table of the mappings. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l history-table -d 'The DynamoDB table of their history, for commands that change something or look at what was changed' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c mayfly -n "__fish_mayfly_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l job -d 'The name of a job, as its `.gitlab-ci.yml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l event -d 'A file with the body of a job event of GitLab, such as one copied from the page of the webhook; `-` is standard input' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l project -d 'The job\'s project, such as `group/app`. Without it, rows of single projects are not for the job' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l tags -d 'The job\'s tags, with commas between them; empty for a job without tags. Without it they are not known, as when GitLab does not answer: its events do not carry them. For a job that there was, they are those that its runner was given' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l default-target -d 'The default target: `none`, `local`, `EC2`, or the ARN of a function. Without it, that of the stack; for a data folder `local`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l table -d 'The ledger\'s DynamoDB table. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l mapping-table -d 'The mapping table. Without it, the stack\'s outputs tell. What the stack\'s parameters say, such as the default target, is then not known' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l gitlab-url -d 'GitLab\'s address. The token in `MAYFLY_API_TOKEN` (or the file named by `MAYFLY_API_TOKEN_FILE`) is sent there and nowhere else; a public project needs none' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l gitlab-ca-file -d 'Certificates (PEM) of a private authority that signed GitLab\'s' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and not __fish_seen_subcommand_from install list remove" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and not __fish_seen_subcommand_from install list remove" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and not __fish_seen_subcommand_from install list remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and not __fish_seen_subcommand_from install list remove" -f -a "install" -d 'Make the webhook where there is none, and put right what is wrong with one that is there'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and not __fish_seen_subcommand_from install list remove" -f -a "list" -d 'List the webhooks with our address, and how GitLab treats them'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and not __fish_seen_subcommand_from install list remove" -f -a "remove" -d 'Remove the webhooks with our address. Jobs then get a runner only through the reconciler, or none'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l project -d 'A project, such as `group/app`. Can be repeated' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l group -d 'A group: each of its projects, and those of its subgroups, except archived ones. Can be repeated' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l secret-file -d 'A file with the webhook\'s secret, unless it is in `MAYFLY_WEBHOOK_SECRET`' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l signing-token-file -d 'A file with the webhook\'s signing token (GitLab 19 and later), unless it is in `MAYFLY_SIGNING_TOKEN`' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l url -d 'The webhook\'s address. Without it, the output `WebhookUrl` of the infrastructure stack' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l infrastructure-stack -d 'The name of the infrastructure stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l gitlab-url -d 'GitLab\'s address. Without it, the parameter `Url` of the installation. The token is that in `MAYFLY_API_TOKEN` (or in the file named by `MAYFLY_API_TOKEN_FILE`), else the installation\'s `ApiToken`, which is sent to the installation\'s GitLab alone' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l gitlab-ca-file -d 'Certificates (PEM) of a private authority that signed GitLab\'s. Without it, the installation\'s `CaCertificates`, if any' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l group-hook -d 'The groups\' own webhook instead, one for all their projects. Needs GitLab Premium or Ultimate, and the role of an owner'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l rotate -d 'Send secret and signing token also to webhooks that are there already'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l remove-duplicates -d 'Where several webhooks have our address, keep one. Without it they are only named: each event comes as often as there are webhooks, which does no harm'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -l dry-run -d 'Only say what would be done'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l project -d 'A project, such as `group/app`. Can be repeated' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l group -d 'A group: each of its projects, and those of its subgroups, except archived ones. Can be repeated' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l url -d 'The webhook\'s address. Without it, the output `WebhookUrl` of the infrastructure stack' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l infrastructure-stack -d 'The name of the infrastructure stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l gitlab-url -d 'GitLab\'s address. Without it, the parameter `Url` of the installation. The token is that in `MAYFLY_API_TOKEN` (or in the file named by `MAYFLY_API_TOKEN_FILE`), else the installation\'s `ApiToken`, which is sent to the installation\'s GitLab alone' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l gitlab-ca-file -d 'Certificates (PEM) of a private authority that signed GitLab\'s. Without it, the installation\'s `CaCertificates`, if any' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -l group-hook -d 'The groups\' own webhook instead, one for all their projects. Needs GitLab Premium or Ultimate, and the role of an owner'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l project -d 'A project, such as `group/app`. Can be repeated' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l group -d 'A group: each of its projects, and those of its subgroups, except archived ones. Can be repeated' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l url -d 'The webhook\'s address. Without it, the output `WebhookUrl` of the infrastructure stack' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l infrastructure-stack -d 'The name of the infrastructure stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l gitlab-url -d 'GitLab\'s address. Without it, the parameter `Url` of the installation. The token is that in `MAYFLY_API_TOKEN` (or in the file named by `MAYFLY_API_TOKEN_FILE`), else the installation\'s `ApiToken`, which is sent to the installation\'s GitLab alone' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l gitlab-ca-file -d 'Certificates (PEM) of a private authority that signed GitLab\'s. Without it, the installation\'s `CaCertificates`, if any' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l group-hook -d 'The groups\' own webhook instead, one for all their projects. Needs GitLab Premium or Ultimate, and the role of an owner'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -l dry-run -d 'Only say what would be done'
complete -c mayfly -n "__fish_mayfly_using_subcommand hooks; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l infrastructure-stack -d 'The name of the infrastructure stack' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l shell-runner-stack -d 'The name of the shell runner\'s stack. An installation with EC2 runners alone has none' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l project -d 'A project whose webhook is looked at, such as `group/app`. Can be repeated. Without this and --group, the projects that have had jobs lately' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l group -d 'A group: the webhooks of its projects and those of its subgroups. Can be repeated' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l url -d 'The webhook\'s address. Without it, the output `WebhookUrl` of the infrastructure stack' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l gitlab-url -d 'GitLab\'s address. Without it, the parameter `Url` of the installation. The token is that in `MAYFLY_API_TOKEN` (or in the file named by `MAYFLY_API_TOKEN_FILE`), else the installation\'s `ApiToken`, which is sent to the installation\'s GitLab alone' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l gitlab-ca-file -d 'Certificates (PEM) of a private authority that signed GitLab\'s. Without it, the installation\'s `CaCertificates`, if any' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -l test-delivery -d 'Have GitLab send the latest job event of each project again, and see what is answered: that tells whether the secret is right. GitLab allows five in a minute for each project'
complete -c mayfly -n "__fish_mayfly_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l table -d 'The ledger\'s DynamoDB table. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l gitlab-url -d 'GitLab\'s address. The token in `MAYFLY_API_TOKEN` (or the file named by `MAYFLY_API_TOKEN_FILE`) is sent there and nowhere else; a public project needs none' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l gitlab-ca-file -d 'Certificates (PEM) of a private authority that signed GitLab\'s' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand timeline" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -l table -d 'The ledger\'s DynamoDB table. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -f -a "list" -d 'List every runner that is not known to be gone, as `mayfly runners` alone does'
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and not __fish_seen_subcommand_from list end" -f -a "end" -d 'End one runner, by its name as `mayfly runners` lists it'
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -l data-dir -d 'The data folder of a `mayfly local` on this machine, whether or not that runs' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -l table -d 'The ledger\'s DynamoDB table. Without it, the stack\'s outputs tell, which takes the right `cloudformation:DescribeStacks`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -l reason -d 'Why, in one line. It is kept with the job, and who ordered it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -l force -d 'End it even if a job dies with it'
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -s y -l yes -d 'Do not ask'
complete -c mayfly -n "__fish_mayfly_using_subcommand runners; and __fish_seen_subcommand_from end" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -l max-ends -d 'How many runners this pass may end. Without it, as the stack\'s parameter says' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -l dry-run -d 'Only say what would be repaired. Without it, as the stack\'s parameter says'
complete -c mayfly -n "__fish_mayfly_using_subcommand reconcile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and not __fish_seen_subcommand_from list replay" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and not __fish_seen_subcommand_from list replay" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and not __fish_seen_subcommand_from list replay" -s h -l help -d 'Print help'
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and not __fish_seen_subcommand_from list replay" -f -a "list" -d 'List the job events of a source, the oldest first, and why they failed'
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and not __fish_seen_subcommand_from list replay" -f -a "replay" -d 'Have job events handled once more, as if they had just come in, and tell what came of each'
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l from -d 'Where the events are: `dead-letters` (events that could not be handled), `launch-dead-letters` (launches that could not), `archive` (all events of the last days; needs --since), a file, or `-` for standard input' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l job -d 'Only those of this job: `host/project id/job id`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l project -d 'Only those of this project: its path, or its id' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l status -d 'Only those with this status. May be given several times' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l since -d 'Only those that came in then or later: a time such as `2026-11-21T22:00:00Z`, or how long ago, such as `90m` or `2d`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l until -d 'Only those that came in before then' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l limit -d 'At most so many, the oldest first' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l data-dir -d 'The data folder of a `mayfly local` on this machine' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l infrastructure-stack -d 'The name of the infrastructure\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l from -d 'Where the events are: `dead-letters` (events that could not be handled), `launch-dead-letters` (launches that could not), `archive` (all events of the last days; needs --since), a file, or `-` for standard input' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l job -d 'Only those of this job: `host/project id/job id`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l project -d 'Only those of this project: its path, or its id' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l status -d 'Only those with this status. May be given several times' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l since -d 'Only those that came in then or later: a time such as `2026-11-21T22:00:00Z`, or how long ago, such as `90m` or `2d`' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l until -d 'Only those that came in before then' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l limit -d 'At most so many, the oldest first' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l data-dir -d 'The data folder of a `mayfly local` on this machine' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l stack -d 'The name of the autoscaler\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l infrastructure-stack -d 'The name of the infrastructure\'s stack, as its `samconfig.toml` has it' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l profile -d 'The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l region -d 'The region of the stack. Without it, `AWS_REGION` or that of the profile' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l at-once -d 'How many jobs are replayed at once' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -s o -l output -d 'How the result is printed. Text is for people and may change; JSON keeps its names' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -l dry-run -d 'Only say what would be replayed'
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -s y -l yes -d 'Replay events too that the ledger may have forgotten, without a question'
complete -c mayfly -n "__fish_mayfly_using_subcommand events; and __fish_seen_subcommand_from replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand completions" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand completions" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mayfly -n "__fish_mayfly_using_subcommand man" -l folder -d 'Write a page for each command into this folder, which is made if it is not there. Without it, the page of `mayfly` itself is printed' -r -F
complete -c mayfly -n "__fish_mayfly_using_subcommand man" -l log-format -d 'How the log is written' -r -f -a "text\t''
json\t''"
complete -c mayfly -n "__fish_mayfly_using_subcommand man" -l log -d 'What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module' -r
complete -c mayfly -n "__fish_mayfly_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
