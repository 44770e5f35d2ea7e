// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"testing"

	"zqublkd/zoned"
)

var (
	oneOpen   = zoned.Limits{MaxOpen: 1}
	twoOpen   = zoned.Limits{MaxOpen: 2}
	oneActive = zoned.Limits{MaxActive: 1}
	twoActive = zoned.Limits{MaxActive: 2}
)

func TestR07_LimitsAreOptional(t *testing.T) {
	runScripts(t, []script{
		{name: "0 is no limit", zones: "em em em em", text: `
			write a 0 1  -> granted
			write b 8 1  -> granted
			open c 16    -> done
			open d 24    -> done
			counts       -> open 4, active 4, implicit 2`},
		{name: "active is open or closed", zones: "cl:1 oi:1 oe:1 fu em", limits: zoned.Limits{MaxActive: 3}, text: `
			counts       -> open 2, active 3, implicit 1
			write a 32 1 -> refused: too many active zones
			open b 32    -> refused: too many active zones`},
		{name: "an open limit alone does not limit active", zones: "em em em", limits: oneOpen, text: `
			write a 0 1  -> granted
			ok a         -> a ok
			write b 8 1  -> granted
			ok b         -> b ok
			write c 16 1 -> granted
			ok c         -> c ok
			counts       -> open 1, active 3, implicit 1`},
		{name: "an active limit alone limits open through it", zones: "em em em", limits: twoActive, text: `
			open a 0     -> done
			write b 8 1  -> granted
			open c 16    -> refused: too many active zones
			counts       -> open 2, active 2, implicit 1`},
		{name: "exactly at both limits", zones: "em em em em", limits: zoned.Limits{MaxOpen: 2, MaxActive: 3}, text: `
			open a 0     -> done
			open b 8     -> done
			write c 16 1 -> refused: too many open zones
			close d 0    -> done
			zone 0       -> empty 0
			write c 16 1 -> granted
			write e 24 1 -> granted
			zone 2       -> closed 16
			counts       -> open 2, active 3, implicit 1`},
	})
}

func TestR08_ResourcesAreCheckedByAction(t *testing.T) {
	full := zoned.Limits{MaxOpen: 1, MaxActive: 2}
	runScripts(t, []script{
		{name: "what needs no slot works without one", zones: "oe:1 cl:1 em em fu", limits: full, text: `
			reset a 8    -> granted
			ok a         -> a ok
			zone 1       -> empty 8
			counts       -> open 1, active 1, implicit 0
			finish b 16  -> granted
			ok b         -> b ok
			close c 24   -> done
			reset d 32   -> granted
			ok d         -> d ok
			read e 0 8   -> granted 1
			write f 1 1  -> granted
			open g 0     -> done
			counts       -> open 1, active 1, implicit 0`},
		{name: "finish of a closed zone", zones: "oe:1 cl:1", limits: full, text: `
			finish a 8   -> granted
			ok a         -> a ok
			counts       -> open 1, active 1, implicit 0`},
		{name: "a closed zone needs an open slot only", zones: "cl:1 cl:1 em", limits: full, text: `
			write a 1 1  -> granted
			ok a         -> a ok
			write b 16 1 -> refused: too many active zones
			open c 8     -> done
			zone 0       -> closed 2
			counts       -> open 1, active 2, implicit 0`},
	})
}

func TestR09_EvictsTheLeastRecentlyWritten(t *testing.T) {
	runScripts(t, []script{
		{name: "in order of opening", zones: "em em em em", limits: twoOpen, text: `
			write a 0 1  -> granted
			ok a         -> a ok
			write b 8 1  -> granted
			ok b         -> b ok
			write c 16 1 -> granted
			zone 0       -> closed 1
			zone 1       -> implicit-open 9
			write d 24 1 -> granted
			zone 1       -> closed 9
			zone 2       -> implicit-open 16`},
		{name: "a write makes a zone the last to go", zones: "em em em em", limits: zoned.Limits{MaxOpen: 3}, text: `
			write a 0 1  -> granted
			write b 8 1  -> granted
			write c 16 1 -> granted
			ok c         -> c ok
			ok b         -> b ok
			ok a         -> a ok
			append d 0 1 -> granted at 1
			ok d         -> d ok
			write e 24 1 -> granted
			zone 0       -> implicit-open 2
			zone 1       -> closed 9
			zone 2       -> implicit-open 17
			read f 16 1  -> granted 1
			write g 9 1  -> granted
			zone 2       -> closed 17
			zone 0       -> implicit-open 2
			ok g         -> g ok
			write h 17 1 -> granted
			zone 0       -> closed 2`},
		{name: "zones found open, in order of their number", zones: "oi:1 oi:1 em em", limits: twoOpen, text: `
			write a 16 1 -> granted
			zone 0       -> closed 1
			write b 24 1 -> granted
			zone 1       -> closed 9
			counts       -> open 2, active 4, implicit 2`},
		{name: "again and again", zones: "em em em", limits: oneOpen, text: `
			append a 0 1 -> granted at 0
			append b 8 1 -> granted at 8
			append c 16 1 -> granted at 16
			append d 0 1 -> granted at 1
			append e 8 1 -> granted at 9
			zone 0       -> closed 0
			zone 1       -> implicit-open 8
			zone 2       -> closed 16
			counts       -> open 1, active 3, implicit 1
			fail a       -> a failed
			ok d         -> d aborted
			zone 0       -> empty 0
			counts       -> open 1, active 2, implicit 1`},
	})
}

func TestR11_ZonesReallyLeaveTheLists(t *testing.T) {
	runScripts(t, []script{
		{name: "a closed zone is no candidate", zones: "em em em", limits: twoOpen, text: `
			write a 0 1  -> granted
			ok a         -> a ok
			write b 8 1  -> granted
			ok b         -> b ok
			close c 0    -> done
			write d 16 1 -> granted
			zone 1       -> implicit-open 9
			write e 1 1  -> granted
			zone 1       -> closed 9
			counts       -> open 2, active 3, implicit 2`},
		{name: "nor one that was reset, finished, filled or opened", zones: "em em em em oi:1 em", limits: zoned.Limits{MaxOpen: 5}, text: `
			write a 0 1  -> granted
			write b 8 1  -> granted
			write c 16 6 -> granted
			write d 24 1 -> granted
			ok a         -> a ok
			ok b         -> b ok
			ok c         -> c ok
			ok d         -> d ok
			reset a 0    -> granted
			ok a         -> a ok
			finish b 8   -> granted
			ok b         -> b ok
			open d 24    -> done
			counts       -> open 2, active 2, implicit 1
			open e 0     -> done
			write f 40 1 -> granted
			counts       -> open 4, active 4, implicit 2`},
		{name: "evicted twice", zones: "em em", limits: oneOpen, text: `
			append a 0 1 -> granted at 0
			append b 8 1 -> granted at 8
			append c 0 1 -> granted at 1
			append d 8 1 -> granted at 9
			ok a         -> a ok
			ok b         -> b ok
			ok c         -> c ok
			ok d         -> d ok
			reset e 0    -> granted
			ok e         -> e ok
			counts       -> open 1, active 1, implicit 1`},
	})
}

func TestR14_ClosedZonesAreActiveAtStart(t *testing.T) {
	runScripts(t, []script{
		{name: "counted before anybody looks", zones: "cl:1 cl:5 em fu ro:1 of:1", limits: twoActive, text: `
			counts       -> open 0, active 2, implicit 0
			write a 16 1 -> refused: too many active zones
			write a 1 1  -> granted
			ok a         -> a ok
			counts       -> open 1, active 2, implicit 1`},
		{name: "more than the limit", zones: "cl:1 cl:1 cl:1 em", limits: oneActive, text: `
			counts       -> open 0, active 3, implicit 0
			write a 1 1  -> granted
			open b 8     -> done
			open c 24    -> refused: too many active zones
			finish d 16  -> granted
			ok d         -> d ok
			reset e 8    -> granted
			ok e         -> e ok
			open c 24    -> refused: too many active zones
			ok a         -> a ok
			finish f 0   -> granted
			ok f         -> f ok
			open c 24    -> done
			counts       -> open 1, active 1, implicit 0`},
		{name: "open zones that go on, as many as may be open", zones: "oe:0 oi:1 oi:1 oe:1 oi:0", limits: twoOpen, text: `
			zone 0       -> explicit-open 0
			zone 1       -> implicit-open 9
			zone 2       -> closed 17
			zone 3       -> closed 25
			zone 4       -> empty 32
			counts       -> open 2, active 4, implicit 1`},
	})
}

func TestR28_NothingToEvict(t *testing.T) {
	runScripts(t, []script{
		{name: "only explicitly open zones", zones: "em em em em", limits: twoOpen, text: `
			open a 0     -> done
			open b 8     -> done
			write c 16 1 -> refused: too many open zones
			append d 16 1 -> refused: too many open zones
			open e 16    -> refused: too many open zones
			zone 2       -> empty 16
			zone 0       -> explicit-open 0
			counts       -> open 2, active 2, implicit 0`},
		{name: "an explicitly open zone is never evicted, whatever its age", zones: "em em em", limits: twoOpen, text: `
			open a 0     -> done
			write b 0 1  -> granted
			ok b         -> b ok
			write c 8 1  -> granted
			ok c         -> c ok
			write d 16 1 -> granted
			zone 0       -> explicit-open 1
			zone 1       -> closed 9
			counts       -> open 2, active 3, implicit 1`},
		{name: "opened explicitly after it was written", zones: "em em", limits: oneOpen, text: `
			write a 0 1  -> granted
			ok a         -> a ok
			open b 0     -> done
			write c 8 1  -> refused: too many open zones
			open d 8     -> refused: too many open zones
			zone 0       -> explicit-open 1
			close e 0    -> done
			write c 8 1  -> granted`},
	})
}
