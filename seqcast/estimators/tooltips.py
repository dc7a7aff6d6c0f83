"""Descriptions of parameters in the HTML that notebooks show of an estimator."""


class ToolTips:
    """Has scikit-learn (1.9) show a parameter's docstring where its name is pointed at.

    It does so for classes with a page of documentation only; until there is one, the link leads nowhere.
    """

    _doc_link_module = "seqcast"
    _doc_link_template = "#{estimator_module}.{estimator_name}"
