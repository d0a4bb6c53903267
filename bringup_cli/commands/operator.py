"""``bringup operator``: the people who may use the API. Runs on each host of the API, where their file is."""

import click

from bringup.audit import AuditLog, entry_of_host
from bringup.model import utc_now
from bringup.operators import Operator, OperatorRole, Operators, token_hash
from bringup.settings import Settings
from bringup.settings.generated import new_secret
from bringup_cli.context import Context
from bringup_cli.output import Output, output_option, print_json, print_line, print_table


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
    help="operator reads and changes; viewer reads.",
)
@click.pass_obj
def operator_add(context: Context, name: str, role: str) -> None:
    """Add a person and print their token, once: nothing but its hash is kept."""
    settings, token = context.settings_for(), new_secret()
    added = Operator(name=name, role=OperatorRole(role), token_sha256=token_hash(token), added=utc_now())
    operators = Operators.read(settings.operators_file).adding(added)
    _record(settings, "operator.add", added, after=role)
    operators.write(settings.operators_file)
    print_line(f"Operator {name} ({role}). Their token, shown this once: OPERATOR_TOKEN={token}")
    if settings.api_use_tls:
        print_line(f"They need a certificate of the same name, too: bringup pki issue operator --name {name}")


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
@click.pass_obj
def operator_remove(context: Context, name: str) -> None:
    """Remove a person: the API refuses their token from now on."""
    settings = context.settings_for()
    operators = Operators.read(settings.operators_file)
    remaining = operators.removing(name)
    removed = operators.by_name[name]
    _record(settings, "operator.remove", removed, before=removed.role.value)
    remaining.write(settings.operators_file)
    print_line(f"Operator {name} is removed.")


def _record(settings: Settings, action: str, who: Operator, **states: str) -> None:
    """First the record, then the change: a change without a record is worse than a record without a change."""
    AuditLog(settings.audit_path).append(entry_of_host(action, f"operator/{who.name}", **states))
