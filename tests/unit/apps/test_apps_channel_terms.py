"""The terms that a new channel gets: within the modules' bounds for whatever stake a person names."""

from __future__ import annotations

import pytest

from wattest.apps.actions.manager_channel import _parameters, _terms
from wattest.apps.embedded import CHALLENGE_TERMS, OPEN_PARAMETERS, PARAMETERS
from wattest.messages.channel import ChannelKind
from wattest.twin.challenge import require_challenge_terms
from wattest.twin.errors import ParameterOutOfRange, TermOutOfRange
from wattest.twin.gwei import WEI_PER_GWEI
from wattest.twin.parameters import ChannelParameters, require_in_range

ETHER = 10**18


@pytest.mark.parametrize("kind", list(ChannelKind))
@pytest.mark.parametrize("stake_wei", [5 * WEI_PER_GWEI, 12 * WEI_PER_GWEI, ETHER // 100, ETHER, 1_000 * ETHER])
def test_any_stake_has_terms_that_hold(kind: ChannelKind, stake_wei: int) -> None:
    parameters = _parameters(kind, stake_wei)
    require_in_range(kind, parameters)
    require_challenge_terms(parameters, _terms(parameters).word)


@pytest.mark.parametrize("kind", list(ChannelKind))
def test_what_no_terms_can_mend_is_refused(kind: ChannelKind) -> None:
    with pytest.raises(ParameterOutOfRange):
        require_in_range(kind, _parameters(kind, 5 * WEI_PER_GWEI + 1))
    small = _parameters(kind, 4 * WEI_PER_GWEI)  # a fifth of it is no whole gwei: nothing is left for a bond
    with pytest.raises(TermOutOfRange):
        require_challenge_terms(small, _terms(small).word)
    with pytest.raises(TermOutOfRange):
        require_challenge_terms(small, CHALLENGE_TERMS.word)


@pytest.mark.parametrize(
    ("kind", "parameters"), [(ChannelKind.SCHEDULED, PARAMETERS), (ChannelKind.OPEN, OPEN_PARAMETERS)]
)
def test_the_embedded_defaults_hold(kind: ChannelKind, parameters: ChannelParameters) -> None:
    require_in_range(kind, parameters)
    require_challenge_terms(parameters, CHALLENGE_TERMS.word)
    assert _terms(parameters) == CHALLENGE_TERMS
