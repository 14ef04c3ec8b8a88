"""The report: one self-contained HTML page, and every figure as SVG, PNG and CSV."""

from frustra.report.page import write_report
from frustra.report.tables import format_interval, format_quantity, summary_rows, verdict_of

__all__ = ["format_interval", "format_quantity", "summary_rows", "verdict_of", "write_report"]
