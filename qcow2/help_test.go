// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"testing"

	"pgregory.net/rapid"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// entriesOf reads a zone table through.
func entriesOf(t rapid.TB, table format.ZoneTable) []format.ZoneEntry {
	t.Helper()
	var all []format.ZoneEntry
	err := table.Each(func(zone uint32, word uint64) error {
		all = append(all, table.Decode(zone, word))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readAt(t *testing.T, f storage.File, off int64, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	return b
}
