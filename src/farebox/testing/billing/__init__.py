"""Billing interfaces on loopback: usage and costs of the same traffic, with causes of differences put in on purpose."""

from __future__ import annotations
