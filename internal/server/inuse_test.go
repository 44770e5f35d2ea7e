package server

import (
	"errors"
	"path/filepath"
	"testing"
	"zqublkd/internal/storage"
)

func TestUnserved(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "disk.qcow2")
	run := filepath.Join(dir, "run")
	for _, c := range []struct {
		name   string
		served string
		alive  bool
		how    Recovery
		refuse bool
	}{
		{"alive", image, true, RecoveryOff, true},
		{"dead", image, false, RecoveryOff, false},
		{"waiting for a daemon", image, false, RecoveryReissue, true},
		{"another image", image + "x", true, RecoveryReissue, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			claim, err := claimDevice(run, 7)
			if err != nil {
				t.Fatal(err)
			}
			if err := claim.write(Record{ID: 7, Node: "/dev/ublkb7", Image: c.served, Recovery: c.how}); err != nil {
				t.Fatal(err)
			}
			if !c.alive {
				claim.lock.Close()
			}
			if err := Unserved(run, image); errors.Is(err, storage.ErrInUse) != c.refuse || (err != nil) != c.refuse {
				t.Error(err)
			}
			claim.remove()
		})
	}
}
