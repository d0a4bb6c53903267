"""``bringup operator`` and ``bringup audit``: the people who may use the API, and who changed what.

Both run on a host of the API, where these files are.
"""

from datetime import datetime
from pathlib import Path

import click

from bringup import audit_chain, model
from bringup.audit import read, recorded_on_host
from bringup.operators import Operator, OperatorRole, Operators, token_hash
from bringup.settings.generated import new_secret
from bringup_cli.context import Context, Output, output_option, print_json, print_line, print_table

_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)


@click.group()
def operator() -> None:
    """Name the people who may use the API, each with a token of their own."""


@operator.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in OperatorRole]),
    default=OperatorRole.OPERATOR.value,
    show_default=True,
    help="operator reads and changes; viewer reads; console is the page that `bringup console` serves; connector is a "
    "program of another system, which reads.",
)
@output_option
@click.pass_obj
def operator_add(context: Context, name: str, role: str, output: Output) -> None:
    """Add a person and print their token, once: nothing but its hash is kept."""
    settings, token = context.settings_for(), new_secret()
    added = Operator(name=name, role=OperatorRole(role), token_sha256=token_hash(token), added=model.utc_now())
    operators = Operators.read(settings.operators_file).adding(added)
    with recorded_on_host(settings.audit_path, "operator.add", f"operator/{name}", after=role):
        operators.write(settings.operators_file)
    if output == "json":
        print_json({"name": name, "role": role, "token": token})
        return
    setting = "CONSOLE_TOKEN" if added.role is OperatorRole.CONSOLE else "OPERATOR_TOKEN"
    owner, needs = ("Their", "They need") if added.certificate_role == OperatorRole.OPERATOR else ("Its", "It needs")
    print_line(f"Operator {name} ({role}). {owner} token, shown this once: {setting}={token}")
    if settings.api_use_tls:
        issue = f"bringup pki issue {added.certificate_role} --name {name}"
        print_line(f"{needs} a certificate of the same name, too: {issue}")


@operator.command("list")
@output_option
@click.pass_obj
def operator_list(context: Context, output: Output) -> None:
    """List the operators of this host."""
    found = sorted(Operators.read(context.settings_for().operators_file).by_name.values(), key=lambda one: one.name)
    if output == "json":
        print_json([one.model_dump(mode="json", exclude={"token_sha256"}) for one in found])
        return
    rows = [(one.name, one.role, one.added.isoformat(timespec="seconds")) for one in found]
    print_table("Operators", ("Name", "Role", "Added"), rows)


@operator.command("remove")
@click.argument("name")
@output_option
@click.pass_obj
def operator_remove(context: Context, name: str, output: Output) -> None:
    """Remove a person: the API refuses their token from now on."""
    settings = context.settings_for()
    operators = Operators.read(settings.operators_file)
    remaining = operators.removing(name)
    before = operators.by_name[name].role.value
    with recorded_on_host(settings.audit_path, "operator.remove", f"operator/{name}", before=before):
        remaining.write(settings.operators_file)
    if output == "json":
        print_json({"name": name, "role": before, "removed": True})
        return
    print_line(f"Operator {name} is removed.")


@click.group()
def audit() -> None:
    """Read the audit log of this host, and prove that nothing in it was altered or removed."""


@audit.command("verify")
@_file
@click.option("--first", type=click.IntRange(1), default=1, help="First line that must be there: others are archived.")
@output_option
@click.pass_obj
def audit_verify(context: Context, file: Path | None, first: int, output: Output) -> None:
    """Check every line of the log against the line before it, and its end against its head.

    Files beside it that a rotation has made of it (FILE.1, FILE-20261129) are read before it.
    """
    path = file or context.settings_for().audit_path
    newest = audit_chain.verify(path, first)
    if output == "json":
        print_json({"file": str(path), "lines": newest.number, "sha256": newest.digest})
        return
    print_line(
        f"{path} is whole: lines {first} to {newest.number}, each follows the one before it. Newest: {newest.digest}"
    )


@audit.command("show")
@_file
@click.option("--who", help="Only what this person or service did.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only from then on (UTC).")
@output_option
@click.pass_obj
def audit_show(context: Context, file: Path | None, who: str | None, since: datetime | None, output: Output) -> None:
    """List who changed what, oldest first."""
    found = [
        entry
        for entry in read(file or context.settings_for().audit_path)
        if (who is None or entry.who == who) and (since is None or entry.at.replace(tzinfo=None) >= since)
    ]
    if output == "json":
        print_json([entry.model_dump(mode="json") for entry in found])
        return
    print_table(
        "Changes by people, oldest first",
        ("Time", "Who", "Role", "From", "Action", "Of", "Result", "Before", "After", "Detail"),
        [
            (
                *(entry.at.isoformat(timespec="seconds"), entry.who, entry.role, entry.address, entry.action),
                *(entry.target, entry.result, entry.before, entry.after, entry.detail),
            )
            for entry in found
        ],
    )
