"""Clusters kept current: added, changed and deleted records join and leave clusters without another run.

The result is that of one run over the records there are now, with the same model. For that, everything that a batch
decides as a whole is part of the model here, and stays: how columns are read, how rare words and values are, which keys
are used, which of their blocks are too large, and how many records a thing has. Such a block is split by the first
letters of the sorted columns; so whether two records are compared depends on the two alone, and a change reaches no
further than the records that are linked, directly or through others, to those that changed.

Cluster ids are stable: after a change a cluster keeps the id of the one it has most records of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from detectors.contract import RecordId
from detectors.duplicates import clustering, linking, sizes
from detectors.duplicates.competing import Rivals
from detectors.duplicates.links import DIFFERENT, SAME, Links
from detectors.duplicates.resident import ResidentIndex
from detectors.duplicates.scoring import Bits
from detectors.duplicates.slots import Cells
from detectors.duplicates.text import Ints

Edges = dict[RecordId, dict[RecordId, float]]


class Clusters:
    """The clusters of a resident index's records.

    index: built with `paired`; from then on changed through `apply` alone.
    links: what people decided. deduplicated: sources of which a cluster holds one record at most; origin: record ->
        source.
    """

    def __init__(
        self,
        index: ResidentIndex,
        *,
        links: Links | None = None,
        deduplicated: frozenset[str] = frozenset(),
        origin: Mapping[RecordId, str] | None = None,
    ) -> None:
        self.index, self.links = index, links or Links()
        self.deduplicated, self.origin = deduplicated, dict(origin or {})
        self.members: dict[int, tuple[RecordId, ...]] = {}
        self._home: dict[RecordId, int] = {}
        self._edges: Edges = {}
        self._alone: dict[RecordId, float] = {}
        self._decided: dict[RecordId, set[RecordId]] = {}
        for one, two in self.links.same:
            self._decided.setdefault(one, set()).add(two)
            self._decided.setdefault(two, set()).add(one)
        self._next = 1
        left, right = self.index.pairs()
        self._rivals: Rivals | None = None
        if self.deduplicated and self.origin:
            self._rivals = self._among(self.index.ids)
            self._rivals.count(self.index.score(left, right), left, right)
        self._lifts = np.zeros(sizes.LISTED + 1) if self._rivals else self._known_lifts(left, right)
        self._link(left, right)
        self._gather([*self._edges, *self._decided])

    def cluster_of(self, record: RecordId) -> int | None:
        """The id of a record's cluster; None if it is alone."""
        return self._home.get(record)

    def apply(
        self,
        *,
        added: Mapping[RecordId, Cells] | None = None,
        changed: Mapping[RecordId, Cells] | None = None,
        deleted: Iterable[RecordId] = (),
        origin: Mapping[RecordId, str] | None = None,
    ) -> set[RecordId]:
        """Follow a batch of changes; the records whose cluster may have changed, those deleted not among them.

        origin: the sources of records that are added.
        Raises ValueError if a record that is added is there already.
        """
        added, changed, deleted = dict(added or {}), dict(changed or {}), set(deleted)
        self.origin |= origin or {}
        touched: set[RecordId] = set()
        for record in {*changed, *deleted}:
            touched |= self._component(record)
        for record in {*changed, *deleted}:
            for other in self._edges.pop(record, {}):
                self._edges[other].pop(record, None)
        for record in deleted:
            self.index.remove(record)
        for record, values in changed.items():
            self.index.replace(record, values)
        for record, values in added.items():
            self.index.add(record, values)
        for record in {*added, *changed}:
            self._link(*self.index.partners(record))
        touched |= {*added, *changed}
        touched -= deleted
        touched |= self._freed(touched)
        for record in deleted:
            self._leave(record)
        return self._gather(touched)

    # -- links ------------------------------------------------------------------------------------------------------

    def _known_lifts(self, left: Ints, right: Ints) -> sizes.Floats:
        model = self.index.model
        return linking.lifts_of(model, len(self.index.ids), left, right, self.index.score(left, right))

    def _link(self, left: Ints, right: Ints) -> None:
        """Note which of these pairs of rows are more likely one than not, or would be if neither had another."""
        bits = self.index.score(left, right)
        ids = self.index.ids
        if self._rivals:
            rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
            likely = self._among(ids[rows]).lifted(bits, *np.split(places, 2)) > 0
        else:
            likely = bits > -max(self._lifts[2], 0.0)
        for place in np.flatnonzero(likely).tolist():
            one, two = int(ids[left[place]]), int(ids[right[place]])
            self._edges.setdefault(one, {})[two] = float(bits[place])
            self._edges.setdefault(two, {})[one] = float(bits[place])

    def _reach(self, record: RecordId, linked: Callable[[RecordId], Iterable[RecordId]]) -> set[RecordId]:
        found, waiting = {record}, [record]
        while waiting:
            for other in linked(waiting.pop()):
                if other not in found and other in self.index:
                    found.add(other)
                    waiting.append(other)
        return found

    def _component(self, record: RecordId, *, as_known: bool = False) -> set[RecordId]:
        """Every record that is linked to this one, directly or through others.

        as_known: how far records have no other is what was found last, and not counted anew.
        """
        return self._reach(record, lambda one: self._linked(one, as_known))

    def _linked(self, record: RecordId, as_known: bool) -> Iterator[RecordId]:
        yield from self._decided.get(record, ())
        for other, bits in self._edges.get(record, {}).items():
            if self._rivals or bits > 0:
                yield other
            else:
                free = self._free(record, as_known) + self._free(other, as_known)
                if bits + self._lifts[2] + free > 0:
                    yield other

    def _likely(self, record: RecordId) -> set[RecordId]:
        """What is linked to this record by pairs that are likely whatever other records there are."""
        return self._reach(
            record,
            lambda one: [
                *self._decided.get(one, ()),
                *(two for two, bits in self._edges.get(one, {}).items() if bits > 0),
            ],
        )

    def _free(self, record: RecordId, as_known: bool) -> float:
        """Log2 of how likely a record has no other; 0 where nothing is known."""
        if record not in self._alone and not as_known:
            records = sorted(self._likely(record))
            self._alone |= zip(
                records, sizes.free(len(records), *self._pairs(records), self._lifts).tolist(), strict=True
            )
        return self._alone.get(record, 0.0)

    def _freed(self, records: set[RecordId]) -> set[RecordId]:
        """After a change of these records: what was linked to records that are now more, or less, likely alone."""
        if self._lifts[2] <= 0:
            return set()
        others = set[RecordId]().union(*(self._likely(record) for record in records))
        found = set[RecordId]().union(*(self._component(record, as_known=True) for record in others))
        for record in others:
            self._alone.pop(record, None)
        return found

    def _among(self, records: Ints) -> Rivals:
        """How these records compete, as it was counted when the clusters were first made."""
        share = float(self.index.model.priors[0])
        rivals = Rivals.of(records, self.origin, self.deduplicated, share)
        return replace(rivals, lifts=self._rivals.lifts) if self._rivals else rivals

    # -- clusters ---------------------------------------------------------------------------------------------------

    def _gather(self, records: Iterable[RecordId]) -> set[RecordId]:
        """Cluster the components of these records anew; every record of them."""
        seen: set[RecordId] = set()
        fresh: list[tuple[RecordId, ...]] = []
        for record in sorted(set(records)):
            if record in seen or record not in self.index:
                continue
            component = self._component(record)
            seen |= component
            fresh += self._clusters(sorted(component))
        self._name(fresh, seen)
        return seen

    def _clusters(self, records: list[RecordId]) -> list[tuple[RecordId, ...]]:
        """The clusters of two and more within one component."""
        if len(records) < 2:
            return []
        one, two, bits = self._pairs(records)
        if self._rivals:
            bits = self._among(np.array(records)).settled(bits, one, two)
        else:
            one, two, bits = self._settled(records, one, two, bits)
        labels = clustering.cluster(len(records), one, two, bits)
        found: dict[int, list[RecordId]] = {}
        for record, label in zip(records, labels.tolist(), strict=True):
            found.setdefault(label, []).append(record)
        return [tuple(members) for members in found.values() if len(members) > 1]

    def _pairs(self, records: Sequence[RecordId]) -> tuple[Ints, Ints, Bits]:
        """The pairs of these records, as places, and their log2 odds; of many records only pairs that are linked."""
        place = {record: at for at, record in enumerate(records)}
        if len(records) <= linking.COMPLETED:
            one, two = np.triu_indices(len(records), 1)
            rows = np.array([self.index.row(record) for record in records])
            bits = self.index.score(rows[one], rows[two]).astype(np.float32)
        else:
            table = [(place[a], place[b], bits) for a in records for b, bits in self._edges.get(a, {}).items() if a < b]
            decided = {(place[a], place[b]) for a in records for b in self._decided.get(a, ()) if b in place and a < b}
            table += [(a, b, SAME) for a, b in decided - {(a, b) for a, b, _ in table}]
            one = np.array([a for a, _, _ in table], np.int64)
            two = np.array([b for _, b, _ in table], np.int64)
            bits = np.array([value for _, _, value in table], np.float32)
        self._overrule(records, place, one, two, bits)
        return one.astype(np.int64), two.astype(np.int64), bits

    def _settled(self, records: Sequence[RecordId], one: Ints, two: Ints, bits: Bits) -> tuple[Ints, Ints, Bits]:
        """The pairs within components, and their log2 odds among all ways to part the records, as a run has them.

        Only pairs that a run compares, or that lie among likely ones, hold a component together.
        """
        pairs = ((records[a], records[b]) for a, b in zip(one.tolist(), two.tolist(), strict=True))
        compared = (b in self._edges.get(a, ()) or b in self._decided.get(a, ()) for a, b in pairs)
        known = np.fromiter(compared, dtype=bool, count=len(one))
        likely = known & (bits > 0)
        first = clustering.linked(len(records), one, two, likely)
        known |= first[one] == first[two]
        parents = sizes.components(len(records), one[known], two[known], bits[known], self._lifts)
        inside = parents[one] == parents[two]
        one, two, bits = one[inside], two[inside], bits[inside]
        return one, two, sizes.settled(one, two, bits, self._lifts, parents)

    def _overrule(
        self, records: Sequence[RecordId], place: Mapping[RecordId, int], one: Ints, two: Ints, bits: Bits
    ) -> None:
        """Write what people decided over the evidence."""
        at = {(int(a), int(b)): pair for pair, (a, b) in enumerate(zip(one, two, strict=True))}
        inside = set(records)
        for record in records:
            for other in self._decided.get(record, ()):
                if other in inside and record < other:
                    bits[at[place[record], place[other]]] = SAME
        for members in self.links.rejected:
            if inside.issuperset(members):
                pairs = [at[place[a], place[b]] for a, b in combinations(members, 2) if (place[a], place[b]) in at]
                if pairs:
                    bits[min(pairs, key=lambda pair: bits[pair])] = DIFFERENT
        for a, b in self.links.different:
            if a in inside and b in inside and (place[a], place[b]) in at:
                bits[at[place[a], place[b]]] = DIFFERENT

    def _name(self, clusters: list[tuple[RecordId, ...]], records: set[RecordId]) -> None:
        """Give the clusters of these records their ids: the one they share most records with, if no other took it."""
        wanted = []
        for number, members in enumerate(clusters):
            shares: dict[int, int] = {}
            for record in members:
                home = self._home.get(record)
                if home is not None:
                    shares[home] = shares.get(home, 0) + 1
            wanted += [(-share, home, members[0], number) for home, share in shares.items()]
        for record in records:
            self._leave(record)
        named: dict[int, int] = {}
        taken: set[int] = set()
        for _, home, _, number in sorted(wanted):
            if number not in named and home not in taken:
                named[number] = home
                taken.add(home)
        for number, members in enumerate(clusters):
            if number not in named:
                named[number], self._next = self._next, self._next + 1
            self.members[named[number]] = members
            self._home |= dict.fromkeys(members, named[number])

    def _leave(self, record: RecordId) -> None:
        home = self._home.pop(record, None)
        if home is not None:
            rest = tuple(one for one in self.members[home] if one != record)
            if rest:
                self.members[home] = rest
            else:
                del self.members[home]
