// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"testing"

	"zqublkd/zoned"
)

func TestParkedBehindWrites(t *testing.T) {
	runScripts(t, []script{
		{name: "reset", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			reset c 0    -> parked
			ok a         -> a ok
			zone 0       -> implicit-open 1
			ok b         -> b ok, c again
			again c      -> granted
			zone 0       -> implicit-open 2
			ok c         -> c ok
			zone 0       -> empty 0`},
		{name: "finish", zones: "cl:1", text: `
			append a 0 1 -> granted at 1
			finish b 0   -> parked
			ok a         -> a ok, b again
			again b      -> granted
			ok b         -> b ok
			zone 0       -> full 6`},
		{name: "finish of a zone that the writes fill", zones: "cl:5", text: `
			append a 0 1 -> granted at 5
			finish b 0   -> parked
			ok a         -> a ok, b again
			again b      -> done`},
		{name: "close", zones: "em", text: `
			append a 0 1 -> granted at 0
			close b 0    -> parked
			zone 0       -> implicit-open 0
			ok a         -> a ok, b again
			again b      -> done
			zone 0       -> closed 1`},
		{name: "close of a zone whose write fails", zones: "em", text: `
			append a 0 1 -> granted at 0
			close b 0    -> parked
			fail a       -> a failed, b again
			again b      -> done
			zone 0       -> empty 0`},
		{name: "a landed write is still in flight", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			ok b         -> nothing
			close c 0    -> parked
			reset d 0    -> parked
			ok a         -> a ok, b ok, c again, d again
			again d      -> granted
			again c      -> parked`},
		{name: "writes do not overtake the parked", zones: "em", text: `
			append a 0 1 -> granted at 0
			reset b 0    -> parked
			append c 0 1 -> parked
			write d 1 1  -> parked
			read e 0 1   -> parked
			finish f 0   -> parked
			ok a         -> a ok, b again, c again, d again, e again, f again
			again c      -> granted at 1
			again d      -> refused: not at the write pointer
			again b      -> parked
			ok c         -> c ok, b again
			again b      -> granted`},
		{name: "open goes on", zones: "em", text: `
			append a 0 1 -> granted at 0
			reset b 0    -> parked
			open c 0     -> done
			zone 0       -> explicit-open 0
			ok a         -> a ok, b again`},
	})
}

func TestParkedBehindReads(t *testing.T) {
	runScripts(t, []script{
		{name: "reset and finish wait for readers", zones: "cl:2", text: `
			read a 0 1   -> granted 1
			read b 1 4   -> granted 1
			reset c 0    -> parked
			finish d 0   -> parked
			ok a         -> nothing
			ok b         -> c again, d again
			again c      -> granted
			again d      -> parked
			ok c         -> c ok, d again
			again d      -> granted
			ok d         -> d ok
			zone 0       -> full 6`},
		{name: "also those that change nothing", zones: "em fu", text: `
			read a 0 1   -> granted 0
			reset b 0    -> parked
			ok a         -> b again
			again b      -> done
			read a 8 8   -> granted 6
			finish c 8   -> parked
			ok a         -> c again
			again c      -> done`},
		{name: "writes, close and open do not", zones: "oi:2", text: `
			read a 0 1   -> granted 1
			append b 0 1 -> granted at 2
			ok b         -> b ok
			open c 0     -> done
			close d 0    -> done
			zone 0       -> closed 3`},
		{name: "a failed write's end does not wake what waits for a reader", zones: "oi:2", text: `
			read a 0 1   -> granted 1
			append b 0 1 -> granted at 2
			reset c 0    -> parked
			fail b       -> b failed
			ok a         -> c again
			again c      -> granted`},
		{name: "the last reader's end does not wake what waits for a write", zones: "oi:2", text: `
			read a 0 1   -> granted 1
			append b 0 1 -> granted at 2
			reset c 0    -> parked
			ok a         -> nothing
			ok b         -> b ok, c again`},
		{name: "an evicted, unwritten zone's reader does not make it empty early", zones: "em em", limits: oneOpen, text: `
			append a 0 1 -> granted at 0
			append b 8 1 -> granted at 8
			read c 0 1   -> granted 0
			ok c         -> nothing
			zone 0       -> closed 0
			ok a         -> a ok
			zone 0       -> closed 1`},
	})
}

func TestParkedBehindOwners(t *testing.T) {
	runScripts(t, []script{
		{name: "everything but another zone's requests", zones: "cl:2 em", text: `
			reset a 0    -> granted
			owned a      -> [0]
			read b 0 1   -> parked
			write c 2 1  -> parked
			append d 0 1 -> parked
			open e 0     -> parked
			close f 0    -> parked
			finish g 0   -> parked
			reset h 0    -> parked
			append i 8 1 -> granted at 8
			zone 0       -> closed 2
			ok a         -> a ok, b again, c again, d again, e again, f again, g again, h again
			again b      -> granted 0
			again c      -> refused: not at the write pointer
			again d      -> granted at 0
			again e      -> done
			again f      -> parked
			again g      -> parked
			again h      -> parked
			ok b         -> nothing
			ok d         -> d ok, f again, g again, h again
			again h      -> granted
			again g      -> parked
			ok h         -> h ok, g again
			again g      -> granted`},
		{name: "refused only after the wait", zones: "cl:2", text: `
			finish a 0   -> granted
			open b 0     -> parked
			append c 0 1 -> parked
			ok a         -> a ok, b again, c again
			again b      -> refused: zone is full
			again c      -> refused: zone is full`},
		{name: "the zone's own rules do not wait", zones: "cl:2", text: `
			finish a 0   -> granted
			append b 1 1 -> refused: not at the start of a zone
			write c 7 2  -> refused: outside the disk`},
		{name: "a reader waits with read-only zones too", zones: "ro:2", text: `
			read a 0 1   -> granted 1
			reset b 0    -> parked
			ok a         -> b again
			again b      -> refused: zone is read-only`},
	})
}

func TestResetAll(t *testing.T) {
	runScripts(t, []script{
		{name: "what there is to reset", zones: "cv em cl:1 oe:0 fu ro:2 of:1 oi:1", limits: zoned.Limits{MaxOpen: 2}, text: `
			reset-all a  -> granted
			owned a      -> [2 3 4 7]
			counts       -> open 2, active 3, implicit 1
			ok a         -> a ok
			counts       -> open 0, active 0, implicit 0
			zone 0       -> not-write-pointer 0
			zone 2       -> empty 16
			zone 5       -> read-only 42
			zone 6       -> offline 49`},
		{name: "nothing to do", zones: "cv em ro:2 of em", text: `
			reset-all a  -> done
			append a 8 1 -> granted at 8`},
		{name: "no sequential zone at all", zones: "cv cv", text: `
			reset-all a  -> done`},
		{name: "waits for a write, then goes on where it was", zones: "cl:1 em cl:1", text: `
			append a 8 1 -> granted at 8
			reset-all b  -> parked
			read c 0 1   -> parked
			read d 16 1  -> granted 1
			append e 8 1 -> parked
			ok a         -> a ok, b again, e again
			again b      -> parked
			read f 8 1   -> parked
			ok d         -> b again
			again b      -> granted
			owned b      -> [0 1 2]
			ok b         -> b ok, c again, f again`},
		{name: "waits for a reset", zones: "cl:1 cl:1", text: `
			reset a 8    -> granted
			reset-all b  -> parked
			ok a         -> a ok, b again
			again b      -> granted
			owned b      -> [0]`},
		{name: "two of them", zones: "cl:1 cl:1", text: `
			reset-all a  -> granted
			reset-all b  -> parked
			ok a         -> a ok, b again
			again b      -> done`},
		{name: "an end gives each zone's parked requests back", zones: "cl:1 fu", text: `
			reset-all a  -> granted
			append b 0 1 -> parked
			append c 8 1 -> parked
			ok a         -> a ok, b again, c again`},
		{name: "fails", zones: "cl:1 fu", text: `
			reset-all a  -> granted
			append b 0 1 -> parked
			fail a       -> a failed, b again
			again b      -> granted at 1`},
	})
}

// TestReusedOp: an Op that was answered starts anew, whatever it was before.
func TestReusedOp(t *testing.T) {
	runScripts(t, []script{
		{name: "after a failure", zones: "em em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			fail a       -> a failed
			fail b       -> b failed
			append b 0 1 -> granted at 0
			ok b         -> b ok
			append a 0 1 -> granted at 1
			ok a         -> a ok`},
		{name: "after being given up", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			fail a       -> a failed
			ok b         -> b aborted
			append b 0 1 -> granted at 0
			append a 0 1 -> granted at 1
			ok a         -> nothing
			ok b         -> b ok, a ok`},
		{name: "after landing early", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			ok b         -> nothing
			ok a         -> a ok, b ok
			append b 0 1 -> granted at 2
			append a 0 1 -> granted at 3
			ok a         -> nothing
			fail b       -> b failed, a aborted`},
		{name: "a reset of all zones becomes a reset of one", zones: "cl:1 cl:1 cl:1", text: `
			reset-all a  -> granted
			fail a       -> a failed
			reset a 8    -> granted
			owned a      -> [1]
			ok a         -> a ok
			reset-all a  -> granted
			owned a      -> [0 2]`},
		{name: "a reset of all zones that found nothing to do begins anew", zones: "em em", text: `
			read a 0 1   -> granted 0
			reset-all b  -> parked
			ok a         -> b again
			again b      -> done
			append a 0 1 -> granted at 0
			ok a         -> a ok
			reset-all b  -> granted
			owned b      -> [0]`},
		{name: "a parked write that is given up becomes a reset of all zones", zones: "cl:1 cl:1", text: `
			reset-all b  -> granted
			ok b         -> b ok
			append a 0 1 -> granted at 0
			append c 8 1 -> granted at 8
			ok a         -> a ok
			ok c         -> c ok
			finish c 0   -> granted
			append b 0 1 -> parked
			ok c         -> c ok, b again
			reset-all b  -> granted
			owned b      -> [0 1]`},
	})
}

// TestAbandonedResetAll: a reset of all zones that is parked and will not go
// on gives its zones back through EndReset.
func TestAbandonedResetAll(t *testing.T) {
	runScripts(t, []script{{name: "in the middle", zones: "cl:1 cl:1 cl:1", text: `
		append a 8 1 -> granted at 9
		reset-all b  -> parked
		append c 0 1 -> parked
		ok a         -> a ok, b again
		fail b       -> b failed, c again
		again c      -> granted at 1
		reset d 8    -> granted`}})
}
