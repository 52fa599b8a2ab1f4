"""Commands that show what is there and what comes of it."""

from __future__ import annotations

from sopsmith.arguments import options
from sopsmith.arguments.options import Add
from sopsmith.commands import doctor, render, resolve, schema
from sopsmith.commands import list as list_command

EXAMPLES = {
    "render": (
        "sopsmith render overlays/production",
        "sopsmith render -e production --masked",
        "sopsmith render overlays/dev/recipe.yaml | jq -r '.items[].metadata.name'",
    ),
    "resolve": ("sopsmith resolve overlays/production", "sopsmith resolve -e dev"),
    "list": (
        "sopsmith list overlays/production",
        "sopsmith list -e production --output json | jq '.[] | select(.due)'",
    ),
    "schema": ("sopsmith schema > secretrecipe.schema.json", "sopsmith schema --findings"),
    "doctor": ("sopsmith doctor",),
}


def add_to(add: Add) -> None:
    """Add them to the command line."""
    one = add(
        "render", "Print the function's output: a ResourceList in JSON, values included.",
        lambda s, o: render.render(
            s, o.path, where=o.environment, masked=o.masked, output=o.output
        ),
    )  # fmt: skip
    options.path(one)
    one.add_argument("--masked", action="store_true", help="key names and origins, no values")
    options.output(one)

    one = add(
        "resolve", "Print the merged recipe, with the file that set each field.",
        lambda s, o: resolve.resolve(s, o.path, where=o.environment, output=o.output),
    )  # fmt: skip
    options.path(one)
    options.output(one)

    one = add(
        "list", "List every value: its origin, its source, when it is due, where it goes.",
        lambda s, o: list_command.list_values(s, o.path, where=o.environment, output=o.output),
    )  # fmt: skip
    options.path(one)
    options.output(one)

    one = add(
        "schema", "Print the JSON Schema of a recipe, for editors.",
        lambda s, o: schema.print_schema(s, findings=o.findings),
    )  # fmt: skip
    one.add_argument("--findings", action="store_true", help="the page of findings, in Markdown")

    one = add(
        "doctor", "Show which programs and keys are found, and the next step.",
        lambda s, o: doctor.doctor(s, output=o.output),
    )  # fmt: skip
    options.output(one)
