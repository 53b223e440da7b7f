"""Words so common that a search passes over them: articles, pronouns, auxiliary verbs, prepositions and conjunctions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from focal_data.domain.memory import Language

_TEXTS: Final = {
    Language.ENGLISH: """
        a about above after again against all am an and any are as at be because been before being below between both but
        by can did do does doing don down during each few for from further had has have having he her here hers herself him
        himself his how i if in into is it its itself just me more most my myself no nor not now of off on once only or
        other our ours ourselves out over own s same she should so some such t than that the their theirs them themselves
        then there these they this those through to too under until up very was we were what when where which while who
        whom why will with you your yours yourself yourselves
    """,
    Language.GERMAN: """
        aber als am an auch auf aus bei bin bis da damit das dem den der des die dich dir doch dort du durch ein eine
        einem einen einer eines er es für hatte habe haben hat hier ich ihm ihn ihr ihre im in ist kann kein keine man
        mein mich mir mit nach nicht noch nun nur ob oder ohne sein sehr sich sie sind so über um und uns unter vom von vor
        war was weil wenn werden wie wir wird wo zu zum zur
    """,
    Language.FRENCH: """
        à au aux avec ce ces dans de des du elle en et eux il je la le leur lui ma mais me mes moi mon ne nos notre nous
        on ou par pas pour qu que qui sa se ses son sur ta te tes toi ton tu un une vos votre vous est sont était
    """,
    Language.SPANISH: """
        a al con como de del donde el ella en entre era es esta este esto fue ha hay la las le les lo los me mi muy no nos o
        para pero por que se sin sobre son su sus también te tu un una y ya yo
    """,
    Language.ITALIAN: """
        a ai al alla anche che chi ci come con da dal dalla dei del della di e ed gli ha hanno i il in io la le lei lo loro
        lui ma mi mia mio ne nei nel nella noi non o per più quella quello questa questo se si sono su sua sul sulla suo
        ti tra tu un una uno vi voi è
    """,
    Language.PORTUGUESE: """
        a à ao aos as às até com como da das de dela dele do dos e ela ele em entre era essa esse esta este eu foi há isso
        já mais mas me mesmo meu minha muito na nas nem no nos não o os ou para pela pelo por quando que quem se sem seu
        sua são só também te tem um uma você
    """,
    Language.DUTCH: """
        aan als bij dan dat de der deze die dit doch door dus een en er ge geen haar had heb heeft hem het hier hij hoe hun
        iets ik in is ja je kan me met mij mijn na naar niet niets nog nu of om onder ons ook op over te tegen toch toen tot
        u uit van veel voor want was wat werd wie wil worden ze zich zij zijn zo zonder
    """,
}

STOP_WORDS: Final[Mapping[Language, frozenset[str]]] = {
    language: frozenset(text.split()) for language, text in _TEXTS.items()
}
"""By language; one that isn't here has none."""
