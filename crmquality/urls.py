"""Every address: pages from `review`, the API from `crmquality` and `review`."""

from django.urls import include, path

urlpatterns = [
    path("", include("review.urls")),
    path("api/v1/", include("crmquality.api.urls")),
    path("api/v1/", include("review.api.urls")),
]
handler400 = "crmquality.api.errors.bad_request"
handler403 = "crmquality.api.errors.permission_denied"
handler404 = "crmquality.api.errors.not_found"
handler500 = "crmquality.api.errors.server_error"
