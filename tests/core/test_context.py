from __future__ import annotations

import contextvars

from farebox.core import context
from farebox.core.context import ROOT, Attribution


def test_outside_every_scope_there_is_nobody():
    assert context.current() is ROOT
    assert ROOT.attribution == Attribution()


def test_an_inner_scope_adds_to_the_outer_one():
    outer = context.enter(attribution=Attribution(tenant_id="acme", tags={"a": "1", "b": "1"}), budget="outer")
    inner = context.enter(attribution=Attribution(task_type="draft", tags={"b": "2"}), budget="inner")
    assert inner.attribution == Attribution(tenant_id="acme", task_type="draft", tags={"a": "1", "b": "2"})
    assert inner.budgets == ("inner", "outer")
    context.leave(inner)
    assert context.current() is outer
    context.leave(outer)
    assert context.current() is ROOT


def test_leaving_in_another_context_needs_no_token_and_look_up_skips_the_closed_scope():
    scope = context.enter(suppressed=True)
    contextvars.copy_context().run(context.leave, scope)
    assert scope.closed
    assert context.current() is ROOT


def test_a_scope_opened_under_a_closed_one_hangs_on_the_nearest_open_one():
    outer = context.enter(attribution=Attribution(tenant_id="acme"))
    closed = context.enter(attribution=Attribution(task_type="gone"))
    closed.closed = True
    assert context.current() is outer
    assert context.enter().attribution == Attribution(tenant_id="acme")


def test_suppression_is_inherited():
    context.enter(suppressed=True)
    assert context.enter().suppressed


def test_the_innermost_opened_scope_is_left_first_and_a_foreign_context_leaves_the_last():
    first = context.enter()
    second = context.enter()
    assert context.innermost([first, second]) is second
    assert contextvars.Context().run(context.innermost, [first, second]) is second
    assert context.innermost([]) is None


def test_swap_changes_and_returns_what_was_current():
    scope = context.enter()
    assert context.swap(ROOT) is scope
    assert context.current() is ROOT
