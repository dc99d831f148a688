from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from .models import Visitor


def index(request: HttpRequest) -> JsonResponse:
    """Say who wrote how often."""
    return JsonResponse({visitor.user: visitor.messages for visitor in Visitor.objects.order_by("user")})
