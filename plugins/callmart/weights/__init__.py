"""Weights learnt from outcomes, proposed beside those in force; nothing promotes itself.

read_table(path, outcome, …)         a labelled table of contacts from a file
fit_contacts(table, …)               an additive score for it, cross-validated
read_outcomes(settings, evaluation)  won and lost demands, with what was known the day before
fit_components(worths, won, …)       weights of an evaluation, pulled to those in force
centre_averages(settings, …)         what components are worth on average, to replace the priors
propose, list_versions, promote, promote_in, discard    versions of weights beside the seeds
"""

from callmart.weights.components import KEEP, ComponentsFit, fit_components
from callmart.weights.contacts import ContactsFit, TooFewOutcomesError, fit_contacts, seed_rows
from callmart.weights.outcomes import EVALUATIONS, Outcomes, read_outcomes
from callmart.weights.tables import Table, TableError, read_table
from callmart.weights.versions import (
    CentreAverage,
    Version,
    VersionError,
    centre_averages,
    discard,
    list_versions,
    promote,
    promote_in,
    propose,
)

__all__ = [
    "EVALUATIONS",
    "KEEP",
    "CentreAverage",
    "ComponentsFit",
    "ContactsFit",
    "Outcomes",
    "Table",
    "TableError",
    "TooFewOutcomesError",
    "Version",
    "VersionError",
    "centre_averages",
    "discard",
    "fit_components",
    "fit_contacts",
    "list_versions",
    "promote",
    "promote_in",
    "propose",
    "read_outcomes",
    "read_table",
    "seed_rows",
]
