// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"path/filepath"

	"zqublkd/internal/engine"
	"zqublkd/internal/statefile"
	"zqublkd/internal/storage"
)

// Legacy is what dead daemons of an image have left in state files, and what the
// next one would go on with. The kernel tells only once that a write of the image
// in the background has failed. Whoever settles an image is told, and must leave
// word of it in the legacy: the next who settles it would go on as if nothing had
// happened.
type Legacy struct {
	states []string // paths of state files

	// Compare is how the image must be settled.
	Compare storage.Compare
}

// LegacyOf returns the legacy of an image, by whatever path it goes. An image that
// does not exist has none.
func LegacyOf(runDir, image string) (Legacy, error) {
	var l Legacy
	id, err := imageAt(image)
	if err != nil {
		return l, nil // whoever opens it says why
	}
	records, err := Records(runDir)
	if err != nil {
		return l, err
	}
	for _, r := range records {
		path := r.statePath()
		if r.Alive || !r.isOf(id) || r.Recovery != RecoveryReissue && !r.leftPointers() || r.ReadOnly ||
			!statefile.Left(path) {
			continue
		}
		marks, err := statefile.ReadMarks(path)
		if err != nil {
			return l, err
		}
		if !marks.Frozen {
			l.states, l.Compare = append(l.states, path), max(l.Compare, engine.Comparing(marks))
		}
	}
	return l, nil
}

// Opened takes the error of opening or checking the image and returns it. If the
// image could not be settled, nobody goes on with the legacy.
func (l Legacy) Opened(err error) error {
	if !errors.Is(err, storage.ErrUnsettled) {
		return err
	}
	for _, path := range l.states {
		if markErr := statefile.Freeze(path); markErr != nil {
			err = fmt.Errorf("%w; that could not be noted for the next daemon, run `zqublkd del` on its device: %w", err, markErr)
		}
	}
	return err
}

// statePath is where the state of the device is.
func (r Record) statePath() string { return filepath.Join(devicePath(r.RunDir, r.ID), stateName) }
