"""The verification report: the record of verdicts, tables, figures and the page that a person reads."""
