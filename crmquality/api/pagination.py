"""Pages by id: page 9,000 costs what page 1 costs."""

from rest_framework.pagination import CursorPagination


class ByIdPagination(CursorPagination):
    """Newest first, by a cursor; ?page_size= up to 500."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 500
