// SPDX-License-Identifier: Apache-2.0

package zoned_test

import "testing"

func TestFailuresAmongWritesInFlight(t *testing.T) {
	runScripts(t, []script{
		{name: "the lowest fails, all above are given up", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			append c 0 1 -> granted at 2
			fail a       -> a failed
			ok c         -> c aborted
			ok b         -> b aborted
			zone 0       -> implicit-open 0
			append d 0 1 -> granted at 0`},
		{name: "what had landed above is answered at once", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			append c 0 1 -> granted at 2
			append d 0 1 -> granted at 3
			ok d         -> nothing
			ok b         -> nothing
			fail a       -> a failed, b aborted, d aborted
			ok c         -> c aborted
			zone 0       -> implicit-open 0`},
		{name: "the highest fails alone", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			fail b       -> b failed
			ok a         -> a ok
			zone 0       -> implicit-open 1`},
		{name: "the middle fails, what is below counts", zones: "em", text: `
			append a 0 2 -> granted at 0
			append b 0 2 -> granted at 2
			append c 0 2 -> granted at 4
			fail b       -> b failed
			zone 0       -> implicit-open 0
			ok a         -> a ok
			zone 0       -> implicit-open 2
			fail c       -> c failed
			append d 0 4 -> granted at 2
			ok d         -> d ok
			zone 0       -> full 6`},
		{name: "acknowledged writes stay when the next one fails", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			ok a         -> a ok
			fail b       -> b failed
			zone 0       -> implicit-open 1`},
		{name: "one below fails after one above", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			append c 0 1 -> granted at 2
			append d 0 1 -> granted at 3
			fail c       -> c failed
			ok b         -> nothing
			fail a       -> a failed, b aborted
			append e 0 1 -> parked
			fail d       -> d failed, e again
			again e      -> granted at 0`},
		{name: "all fail, from the top", zones: "cl:1", text: `
			append a 0 1 -> granted at 1
			append b 0 1 -> granted at 2
			append c 0 1 -> granted at 3
			fail c       -> c failed
			fail b       -> b failed
			fail a       -> a failed
			zone 0       -> implicit-open 1`},
		{name: "no new write until the given-up ones have ended", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			append c 0 1 -> granted at 2
			fail b       -> b failed
			append d 0 1 -> parked
			write e 3 1  -> parked
			ok a         -> a ok
			read f 0 1   -> parked
			ok c         -> c aborted, d again, e again, f again
			again d      -> granted at 1
			again e      -> refused: not at the write pointer
			again f      -> granted 1`},
		{name: "an open zone takes an open while it drains", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			fail a       -> a failed
			open c 0     -> done
			zone 0       -> explicit-open 0
			ok b         -> b aborted
			zone 0       -> explicit-open 0
			close d 0    -> done
			zone 0       -> empty 0`},
		{name: "other zones do not care", zones: "em em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			append c 8 1 -> granted at 8
			fail a       -> a failed
			ok c         -> c ok
			append d 8 1 -> granted at 9
			ok b         -> b aborted`},
	})
}

func TestFullOnlyWhenTheDataHasLanded(t *testing.T) {
	runScripts(t, []script{
		{name: "the write that reaches the end lands first", zones: "em", text: `
			append a 0 3 -> granted at 0
			append b 0 3 -> granted at 3
			ok b         -> nothing
			zone 0       -> implicit-open 0
			counts       -> open 1, active 1, implicit 1
			ok a         -> a ok, b ok
			zone 0       -> full 6
			counts       -> open 0, active 0, implicit 0`},
		{name: "it fails", zones: "em", text: `
			append a 0 3 -> granted at 0
			append b 0 3 -> granted at 3
			fail b       -> b failed
			ok a         -> a ok
			zone 0       -> implicit-open 3
			append c 0 3 -> granted at 3
			ok c         -> c ok
			zone 0       -> full 6`},
		{name: "it lands, one below fails", zones: "em", text: `
			append a 0 3 -> granted at 0
			append b 0 3 -> granted at 3
			ok b         -> nothing
			fail a       -> a failed, b aborted
			zone 0       -> implicit-open 0
			append c 0 6 -> granted at 0`},
		{name: "reserved to the end is refused as capacity, not as full", zones: "em", text: `
			append a 0 6 -> granted at 0
			append b 0 1 -> refused: beyond the zone capacity
			write b 6 1  -> refused: beyond the zone capacity
			write b 5 1  -> refused: not at the write pointer
			ok a         -> a ok
			append b 0 1 -> refused: zone is full`},
		{name: "explicitly open", zones: "oe:5", text: `
			append a 0 1 -> granted at 5
			zone 0       -> explicit-open 5
			ok a         -> a ok
			zone 0       -> full 6
			counts       -> open 0, active 0, implicit 0`},
	})
}

func TestEvictedZoneWhoseWritesFail(t *testing.T) {
	runScripts(t, []script{
		{name: "goes back to empty when the last one has ended", zones: "em em", limits: oneOpen, text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			append c 8 1 -> granted at 8
			zone 0       -> closed 0
			counts       -> open 1, active 2, implicit 1
			fail a       -> a failed
			zone 0       -> closed 0
			fail b       -> b failed
			zone 0       -> empty 0
			counts       -> open 1, active 1, implicit 1`},
		{name: "stays closed when something is there", zones: "em em", limits: oneOpen, text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			append c 8 1 -> granted at 8
			fail b       -> b failed
			ok a         -> a ok
			zone 0       -> closed 1
			counts       -> open 1, active 2, implicit 1`},
		{name: "found closed, its write fails", zones: "cl:1 em", limits: oneOpen, text: `
			append a 0 1 -> granted at 1
			append b 8 1 -> granted at 8
			zone 0       -> closed 1
			fail a       -> a failed
			zone 0       -> closed 1`},
		{name: "the parked reset finds it empty", zones: "em em", limits: oneOpen, text: `
			append a 0 1 -> granted at 0
			append b 8 1 -> granted at 8
			reset c 0    -> parked
			fail a       -> a failed, c again
			zone 0       -> empty 0
			again c      -> done`},
	})
}
