// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"testing"

	"zqublkd/zoned"
)

func TestR01_WriteOnlyAtTheWritePointer(t *testing.T) {
	runScripts(t, []script{
		{name: "empty zone", zones: "em em", text: `
			write a 9 1  -> refused: not at the write pointer
			write a 8 1  -> granted
			ok a         -> a ok
			zone 1       -> implicit-open 9`},
		{name: "one byte below and above", zones: "cl:3 em", text: `
			write a 2 1  -> refused: not at the write pointer
			write a 4 1  -> refused: not at the write pointer
			zone 0       -> closed 3
			write a 3 1  -> granted
			ok a         -> a ok
			zone 0       -> implicit-open 4`},
		{name: "rewrite of what is there", zones: "oi:3", text: `
			write a 0 3  -> refused: not at the write pointer
			write a 0 6  -> refused: not at the write pointer
			zone 0       -> implicit-open 3`},
		{name: "in flight counts", zones: "em", text: `
			write a 0 2  -> granted
			write b 0 2  -> refused: not at the write pointer
			write b 1 2  -> refused: not at the write pointer
			write b 3 2  -> refused: not at the write pointer
			write b 2 2  -> granted
			ok a         -> a ok
			ok b         -> b ok
			zone 0       -> implicit-open 4`},
		{name: "between capacity and size", zones: "em em", text: `
			write a 6 1  -> refused: not at the write pointer
			write a 7 1  -> refused: not at the write pointer
			zone 0       -> empty 0`},
	})
}

func TestR02_ConventionalZonesHaveNoRules(t *testing.T) {
	runScripts(t, []script{
		{name: "anywhere, several at once, over all of the zone", zones: "cv em", limits: zoned.Limits{MaxOpen: 1, MaxActive: 1}, text: `
			write a 3 1  -> granted
			write b 0 8  -> granted
			write c 3 1  -> granted
			read  d 0 8  -> granted 8
			counts       -> open 0, active 0, implicit 0
			fail b       -> b failed
			ok c         -> c ok
			ok a         -> a ok
			ok d         -> nothing
			zone 0       -> not-write-pointer 0`},
		{name: "while no zone may be opened", zones: "cv oe:2 em", limits: zoned.Limits{MaxOpen: 1, MaxActive: 1}, text: `
			write a 7 1  -> granted
			ok a         -> a ok
			counts       -> open 1, active 1, implicit 0`},
		{name: "but not into the next zone", zones: "cv cv em", text: `
			write a 7 2  -> refused: crosses a zone boundary
			write a 0 8  -> granted`},
		{name: "no zone operation", zones: "cv em", text: `
			append a 0 1 -> refused: conventional zone
			open a 0     -> refused: conventional zone
			close a 0    -> refused: conventional zone
			finish a 0   -> refused: conventional zone
			reset a 0    -> refused: conventional zone`},
		{name: "read-only and offline", zones: "cv-ro cv-of em", text: `
			read a 1 2   -> granted 2
			write b 0 1  -> refused: zone is read-only
			read c 8 1   -> refused: zone is offline
			write c 8 1  -> refused: zone is offline
			zone 0       -> read-only 0
			zone 1       -> offline 8`},
	})
}

func TestR03_CapacityNotSize(t *testing.T) {
	runScripts(t, []script{
		{name: "one byte too many", zones: "em em", text: `
			write a 0 7  -> refused: beyond the zone capacity
			write a 0 8  -> refused: beyond the zone capacity
			zone 0       -> empty 0
			counts       -> open 0, active 0, implicit 0
			write a 0 6  -> granted
			ok a         -> a ok
			zone 0       -> full 6`},
		{name: "from the middle", zones: "cl:4 em", text: `
			write a 4 3  -> refused: beyond the zone capacity
			zone 0       -> closed 4
			write a 4 2  -> granted
			ok a         -> a ok
			zone 0       -> full 6`},
		{name: "append", zones: "cl:4 em", text: `
			append a 0 3 -> refused: beyond the zone capacity
			append a 0 8 -> refused: beyond the zone capacity
			append a 0 2 -> granted at 4
			ok a         -> a ok
			zone 0       -> full 6`},
		{name: "what is in flight counts", zones: "em em", text: `
			append a 0 4 -> granted at 0
			append b 0 3 -> refused: beyond the zone capacity
			write b 4 3  -> refused: beyond the zone capacity
			append b 0 2 -> granted at 4
			append c 0 1 -> refused: beyond the zone capacity
			write c 6 1  -> refused: beyond the zone capacity
			ok a         -> a ok
			ok b         -> b ok
			zone 0       -> full 6`},
		{name: "refused before anything else happens", zones: "oi:1 em", limits: zoned.Limits{MaxOpen: 1}, text: `
			write a 8 7  -> refused: beyond the zone capacity
			zone 0       -> implicit-open 1
			zone 1       -> empty 8`},
	})
}

func TestR04_FullZonesRefuseWrites(t *testing.T) {
	runScripts(t, []script{
		{name: "filled by writes", zones: "cl:5", text: `
			write a 5 1  -> granted
			ok a         -> a ok
			write a 6 1  -> refused: zone is full
			write a 0 1  -> refused: zone is full
			append a 0 1 -> refused: zone is full
			append a 0 9 -> refused: zone is full
			zone 0       -> full 6`},
		{name: "finished", zones: "em", text: `
			finish a 0   -> granted
			ok a         -> a ok
			write a 0 1  -> refused: zone is full
			append a 0 1 -> refused: zone is full
			open a 0     -> refused: zone is full
			zone 0       -> full 6`},
		{name: "found full", zones: "fu", text: `
			zone 0       -> full 6
			write a 6 1  -> refused: zone is full`},
	})
}

func TestR05_ConditionChangesBeforeTheDataAndStays(t *testing.T) {
	runScripts(t, []script{
		{name: "empty", zones: "em", text: `
			write a 0 2  -> granted
			zone 0       -> implicit-open 0
			fail a       -> a failed
			zone 0       -> implicit-open 0
			counts       -> open 1, active 1, implicit 1`},
		{name: "closed", zones: "cl:2", text: `
			append a 0 2 -> granted at 2
			zone 0       -> implicit-open 2
			fail a       -> a failed
			zone 0       -> implicit-open 2`},
		{name: "a zone whose only write failed holds nothing once closed", zones: "em", text: `
			write a 0 2  -> granted
			fail a       -> a failed
			close b 0    -> done
			zone 0       -> empty 0
			counts       -> open 0, active 0, implicit 0`},
	})
}

func TestR15_WritePointerAdvancesWhenAWriteIsIssued(t *testing.T) {
	runScripts(t, []script{
		{name: "writes queue behind each other", zones: "em", text: `
			write a 0 1  -> granted
			write b 1 1  -> granted
			write c 2 1  -> granted
			zone 0       -> implicit-open 0
			ok b         -> nothing
			ok c         -> nothing
			zone 0       -> implicit-open 0
			ok a         -> a ok, b ok, c ok
			zone 0       -> implicit-open 3`},
		{name: "appends and writes mixed", zones: "em", text: `
			append a 0 2 -> granted at 0
			write b 2 1  -> granted
			append c 0 3 -> granted at 3
			ok c         -> nothing
			ok a         -> a ok
			zone 0       -> implicit-open 2
			ok b         -> b ok, c ok
			zone 0       -> full 6`},
	})
}

func TestR16_FailedWriteSetsTheWritePointerBack(t *testing.T) {
	runScripts(t, []script{
		{name: "alone", zones: "cl:2", text: `
			write a 2 2  -> granted
			fail a       -> a failed
			zone 0       -> implicit-open 2
			write b 4 1  -> refused: not at the write pointer
			write b 2 1  -> granted
			ok b         -> b ok
			zone 0       -> implicit-open 3`},
		{name: "the next ones fail, the host looks and goes on", zones: "em", text: `
			write a 0 1  -> granted
			write b 1 1  -> granted
			fail a       -> a failed
			write c 2 1  -> parked
			ok b         -> b aborted, c again
			again c      -> refused: not at the write pointer
			zone 0       -> implicit-open 0
			write d 0 1  -> granted
			ok d         -> d ok`},
	})
}

func TestR39_TwoWritesAtOneOffset(t *testing.T) {
	runScripts(t, []script{
		{name: "only the first", zones: "em", text: `
			write a 0 1  -> granted
			write b 0 1  -> refused: not at the write pointer
			ok a         -> a ok
			zone 0       -> implicit-open 1`},
		{name: "not even when the first fails", zones: "em", text: `
			write a 0 1  -> granted
			write b 0 1  -> refused: not at the write pointer
			fail a       -> a failed
			write b 0 1  -> granted
			ok b         -> b ok`},
	})
}

func TestR58_RequestsStayInOneZone(t *testing.T) {
	runScripts(t, []script{
		{name: "crossing", zones: "em em", text: `
			write a 0 9  -> refused: crosses a zone boundary
			read a 7 2   -> refused: crosses a zone boundary
			read a 7 1   -> granted 0
			read b 0 8   -> granted 0`},
		{name: "the disk's end", zones: "em em", text: `
			read a 15 1  -> granted 0
			read b 15 2  -> refused: outside the disk
			read b 16 0  -> refused: outside the disk
			write b 8 9  -> refused: outside the disk
			write b 16 1 -> refused: outside the disk
			write b 0xffffffffffffffff 1 -> refused: outside the disk
			write b 8 0xffffffffffffffff -> refused: outside the disk
			append b 0 0xffffffffffffffff -> refused: beyond the zone capacity
			read b 1 0xffffffffffffffff -> refused: outside the disk`},
	})
}

func TestR62_AnyLengthIsWritten(t *testing.T) {
	runScripts(t, []script{
		{name: "odd lengths", zones: "em", text: `
			write a 0 1  -> granted
			write b 1 2  -> granted
			append c 0 3 -> granted at 3
			ok a         -> a ok
			ok b         -> b ok
			ok c         -> c ok
			zone 0       -> full 6`},
		{name: "nothing is written without opening a zone", zones: "cv em cl:2 oe:0 fu ro:1", text: `
			write a 3 0  -> granted
			ok a         -> a ok
			append a 8 0 -> done
			write a 9 0  -> refused: not at the write pointer
			zone 1       -> empty 8
			append a 16 0 -> done
			zone 2       -> closed 18
			write a 24 0 -> done
			zone 3       -> explicit-open 24
			write a 32 0 -> refused: zone is full
			write a 41 0 -> refused: zone is read-only
			read a 8 0   -> granted 0
			counts       -> open 1, active 2, implicit 0`},
	})
}

func TestR63_OneWritableEnd(t *testing.T) {
	runScripts(t, []script{
		{name: "capacity", zones: "em em", text: `
			append a 8 6 -> granted at 8
			ok a         -> a ok
			zone 1       -> full 14
			finish a 0   -> granted
			ok a         -> a ok
			zone 0       -> full 6`},
		{name: "short last zone", zones: "em em", last: 3, text: `
			append a 8 4 -> refused: beyond the zone capacity
			append a 8 2 -> granted at 8
			ok a         -> a ok
			finish a 8   -> granted
			ok a         -> a ok
			zone 1       -> full 11`},
	})
}
