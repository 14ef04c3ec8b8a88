"""What `frustra refine` shows in the terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.campaign.refine import RefineResult

HEADS = ("T (K)", "production (ps)", "runs", "MD time (ps)")


def print_plan(plan: RefineResult) -> None:
    """Print the temperatures to compute next, what they cost and what they are expected to bring."""
    console = Console(highlight=False, markup=False)
    console.print(_known(plan), soft_wrap=True)
    if plan.next:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for head in HEADS:
            table.add_column(head, justify="right")
        for run in plan.next:
            table.add_row(f"{run.T_K:g}", f"{run.production_ps:g}", str(run.runs), f"{run.cost_ps:g}")
        console.print(table)
    console.print(f"{plan.reason[:1].upper()}{plan.reason[1:]}. {_outlook(plan)}".strip(), soft_wrap=True)
    for note in plan.notes:
        console.print(f"! {note}", soft_wrap=True)


def _known(plan: RefineResult) -> str:
    if plan.Tc_K is None:
        return f"{plan.material}: {plan.model}, no transition temperature"
    tc = plan.Tc_K
    return (
        f"{plan.material}: a {plan.model} at {tc.value:.0f} K, "
        f"95 % interval {tc.low:.0f}–{tc.high:.0f} K ({plan.width_K:.3g} K wide)"
    )


def _outlook(plan: RefineResult) -> str:
    if not plan.next:
        return ""
    brings = (
        f"; the interval is expected to become {plan.expected_width_K:.2g} K wide"
        if plan.expected_width_K
        else ""
    )
    hours = f", about {plan.hours:.2g} h of computing" if plan.hours else ""
    return f"Together {plan.cost_ps:g} ps of MD{hours}{brings}."
