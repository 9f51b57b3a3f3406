"""Every address: pages from `review`, the API from `crmquality` and `review`."""

from django.urls import include, path

urlpatterns = [
    path("", include("review.urls")),
    path("api/v1/", include("crmquality.api.urls")),
    path("api/v1/", include("review.api.urls")),
]
