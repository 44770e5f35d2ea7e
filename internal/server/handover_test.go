// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"testing"

	"zqublkd/internal/engine"
	"zqublkd/internal/statefile"
)

func TestHandOverRefused(t *testing.T) {
	for name, c := range map[string]struct {
		recovery Recovery
		frozen   bool
		version  int
	}{
		"no recovery":          {RecoveryOff, false, statefile.Version},
		"read-only by failure": {RecoveryReissue, true, statefile.Version},
		"other state files":    {RecoveryReissue, false, statefile.Version + 1},
	} {
		t.Run(name, func(t *testing.T) {
			disk, err := engine.OpenDisk(newWorld(t).image, engine.DiskOptions{ReadOnly: c.frozen, Log: silent()})
			if err != nil {
				t.Fatal(err)
			}
			defer disk.Close()
			d := &Device{disk: disk, cfg: Config{Options: Options{Recovery: c.recovery}}}
			if err := d.mayHandOver(c.version); !errors.Is(err, ErrRecover) {
				t.Errorf("got %v", err)
			}
		})
	}
}
