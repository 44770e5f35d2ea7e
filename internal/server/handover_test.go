package server

import (
	"errors"
	"testing"
)

func TestHandOverRefused(t *testing.T) {
	for name, c := range map[string]struct {
		recovery Recovery
		frozen   bool
		version  int
	}{
		"no recovery":          {RecoveryOff, false, StateVersion},
		"read-only by failure": {RecoveryReissue, true, StateVersion},
		"other state files":    {RecoveryReissue, false, StateVersion + 1},
	} {
		t.Run(name, func(t *testing.T) {
			disk, err := OpenDisk(newWorld(t).image, DiskOptions{ReadOnly: c.frozen, Log: silent()})
			if err != nil {
				t.Fatal(err)
			}
			defer disk.Close()
			d := &Device{disk: disk, cfg: Config{Recovery: c.recovery}}
			if err := d.mayHandOver(c.version); !errors.Is(err, ErrRecover) {
				t.Errorf("got %v", err)
			}
		})
	}
}
