"""Two questions to the emulator that sam cannot ask.

put-parameters          puts the parameters of a JSON object on standard input, {name: value}, as SecureStrings
outputs STACK           prints the stack's outputs as a JSON object
"""

import json
import sys

import boto3


def put_parameters() -> None:
    client = boto3.client("ssm")
    for name, value in json.load(sys.stdin).items():
        client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def outputs(stack: str) -> None:
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    print(json.dumps({output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["put-parameters"]:
            put_parameters()
        case ["outputs", stack]:
            outputs(stack)
        case _:
            sys.exit(__doc__)
