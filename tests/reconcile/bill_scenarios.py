"""Random traffic of two providers, and random causes put into its bill: what was put in where, and what it is worth."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

from farebox.reconcile import outcome
from farebox.testing.billing.causes import OTHER_KEY, BilledOtherwise, Credit, Late, OtherCalls, OtherRate, Rounded
from farebox.testing.billing.traffic import Used

MODELS = {
    "openai": ("gpt-5-mini", "gpt-6.1-sol", "gpt-5.4", "gpt-4o-mini"),
    "anthropic": ("claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"),
    "google": ("gemini-3.8-flash", "gemini-2.5-flash", "gemini-2.5-pro"),
}
UNITS = {
    "openai": ("input", "cache_read", "output"),
    "anthropic": ("input", "cache_read", "cache_write_5m", "output"),
    "google": ("input", "cache_read", "output"),
}
TIERS = {"openai": "default", "anthropic": "standard", "google": None}
REGIONAL = {"gpt-6.1-sol", "gpt-5.4"}
FLEXIBLE = {"gpt-5-mini", "gpt-6.1-sol", "gpt-5.4"}
DAY = 86_400 * 10**9


class Scenario:
    """One seed's traffic and causes.

    Attributes:
        events: what the ledger is to have: (at, provider, model, units, tier) or (at, provider, model, nano-dollars) for an estimate.
        expected: (provider, day, cause, model) → dollars.
    """

    def __init__(self, seed, days, first, call, estimated):
        self.random = random.Random(seed)
        self.days = days
        self.first = first
        self.call = call
        self.estimated = estimated
        self.expected = defaultdict(Fraction)
        self.events = []
        self.slots = []
        self.changes = []

    # --- traffic

    def units(self, provider, *, small=False):
        most = 60_000 if small else 180_000
        units = {unit: self.random.randint(most // 6, most // 3) for unit in UNITS[provider]}
        if provider == "anthropic" and not small and self.random.random() < 0.3:
            units["web_search"] = self.random.randint(1, 5)
        return units

    def moment(self, number):
        return self.first + number * DAY + self.random.randint(0, 86_000) * 10**9 + self.random.randint(0, 10**9 - 1)

    def traffic(self):
        for provider, models in MODELS.items():
            for number, _ in enumerate(self.days):
                for model in self.random.sample(models, self.random.randint(2, len(models))):
                    self.slots.append((provider, number, model))
                    for _ in range(self.random.randint(8, 14)):
                        tier = self.random.choice((None, TIERS[provider]))
                        self.events.append(
                            self.call(self.moment(number), provider, model, self.units(provider), tier=tier)
                        )
                if provider == "openai" and self.random.random() < 0.5:
                    long = {"input": 300_000, "output": 5000}
                    self.events.append(self.call(self.moment(number), provider, "gpt-5.5", long))
        return self.events

    # --- causes: those of quantities first, each on a day and model of its own

    def inject(self, billing):
        self.billing = billing
        free = [slot for slot in self.slots if slot[1] < len(self.days) - 1]
        self.random.shuffle(free)
        steps = [self.other_program, self.other_key, self.batch, self.commitment, self.cheaper_tier, self.place]
        for step in self.random.sample(steps, self.random.randint(0, len(steps))):
            if free:
                step(*free.pop())
        if free and self.random.random() < 0.4:
            self.guess(*free.pop())
        if self.random.random() < 0.4:
            self.late(self.random.choice(tuple(MODELS)))
        # A surcharge lies on list prices, and another rate on both.
        if self.random.random() < 0.4:
            self.surcharge()
        for _ in range(self.random.randint(0, 2)):
            self.rate(*self.random.choice(self.slots))
        if self.random.random() < 0.4:
            self.credit()
        for provider in MODELS:
            if self.random.random() < 0.4:
                self.apply(Rounded(provider, self.random.choice((2, 3, 4))), outcome.ROUNDING)

    def apply(self, change, kind, model=""):
        for injected in self.billing.inject(change):
            self.expected[injected.provider, injected.day, kind, model] += injected.amount

    def others(self, provider, number, model):
        return tuple(
            Used(provider, model, self.moment(number), self.units(provider, small=True))
            for _ in range(self.random.randint(3, 30))
        )

    def other_program(self, provider, number, model):
        if self.random.random() < 0.3:
            model = {"openai": "gpt-5", "anthropic": "claude-opus-4-8", "google": "gemini-3.6-flash"}[provider]
        self.apply(OtherCalls(self.others(provider, number, model)), outcome.NOT_METERED, model)

    def other_key(self, provider, number, model):
        if provider == "google":  # its export names no keys
            return
        self.apply(OtherCalls(self.others(provider, number, model), key=OTHER_KEY), outcome.OTHER_KEY, model)

    def chosen(self, provider, number, model, *, share=1.0):
        start = self.first + number * DAY
        cut = start + int(DAY * share)
        return lambda used: (
            used.provider == provider and used.model == model and start <= used.at_ns < cut and used.key != OTHER_KEY
        )

    def batch(self, provider, number, model):
        self.apply(
            BilledOtherwise(self.chosen(provider, number, model, share=self.random.choice((0.5, 1))), batch=True),
            outcome.BATCH,
            model,
        )

    def commitment(self, provider, number, model):
        if provider == "google":
            return
        tier = {"openai": "scale", "anthropic": "priority"}[provider]
        change = BilledOtherwise(self.chosen(provider, number, model, share=self.random.choice((0.5, 1))), tier=tier)
        self.apply(change, outcome.COMMITMENT, model)

    def cheaper_tier(self, provider, number, model):
        if model in FLEXIBLE:
            change = BilledOtherwise(self.chosen(provider, number, model, share=0.5), tier="flex")
            self.apply(change, outcome.TIER, model)

    def place(self, provider, number, model):
        if provider == "anthropic" and model != "claude-haiku-4-5":
            self.apply(BilledOtherwise(self.chosen(provider, number, model), geo="us"), outcome.RESIDENCY, model)

    def guess(self, provider, number, model):
        nano = self.random.randint(10**8, 2 * 10**9)
        self.events.append(self.estimated(self.moment(number), provider, model, nano))
        self.expected[provider, self.days[number], outcome.ESTIMATED, model] -= Fraction(nano, 10**9)
        if self.random.random() < 0.6:
            used = Used(
                provider, model, self.moment(number), {"input": 20_000, "output": self.random.randint(100, 3000)}
            )
            self.apply(OtherCalls((used,)), outcome.ESTIMATED, model)

    def late(self, provider):
        end = self.first + len(self.days) * DAY
        change = Late(provider, end - self.random.randint(1, 12) * 3600 * 10**9, end)
        self.apply(change, outcome.LATE)

    def rate(self, provider, number, model):
        factor = self.random.choice((Fraction(1, 2), Fraction(4, 5), Fraction(5, 4), Fraction(2)))
        unit = self.random.choice([unit for unit in UNITS[provider] if unit != "cache_read"])
        change = OtherRate(provider, self.days[number], model, factor, frozenset({unit}))
        self.apply(change, outcome.PRICE, model)

    def surcharge(self):
        able = [slot for slot in self.slots if slot[2] in REGIONAL]
        if able:
            provider, number, model = self.random.choice(able)
            self.apply(OtherRate(provider, self.days[number], model, Fraction(11, 10)), outcome.RESIDENCY, model)

    def credit(self):
        provider, number, _ = self.random.choice(self.slots)
        amount = -Decimal(self.random.randint(100, 2000)).scaleb(-2)
        self.apply(Credit(provider, self.days[number], amount), outcome.CREDIT)
