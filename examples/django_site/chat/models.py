"""What the bot remembers."""

from __future__ import annotations

from django.db import models


class Visitor(models.Model):
    user = models.CharField(max_length=128, unique=True)
    messages = models.PositiveIntegerField(default=0)
