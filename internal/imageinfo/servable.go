// SPDX-License-Identifier: Apache-2.0

package imageinfo

import (
	"errors"
	"fmt"
	"os"

	"zqublkd/internal/engine"
	"zqublkd/internal/server"
	"zqublkd/qcow2"
)

// judge finds out whether add would serve the image. share says that others may be
// writing to it meanwhile: what it looks like then is no reason against it.
func (i *Info) judge(img *qcow2.Image, share bool) {
	dirty, err := i.Dirty && share, error(nil)
	if !dirty {
		dirty, err = img.WouldMend()
	}
	if !share {
		img.JudgeWriting()
	}
	if err != nil {
		err = fmt.Errorf("it was left by a crash, and what leaked then can't be freed: %w; run check --repair all", err)
	}
	if unfit := engine.Servable(img); unfit != nil {
		err = unfit
	}
	for _, r := range img.Obstacles() {
		if mends := dirty && errors.Is(r.Err, qcow2.ErrDirty); mends {
			continue
		}
		i.Notes = append(i.Notes, fmt.Sprintf("stops %s: %v", r.Stops, r.Err))
		if err == nil {
			err = r.Err
		}
	}
	if i.Servable = err == nil; err != nil {
		i.NotServable = err.Error()
	}
	switch node := servedNow(i.Image); {
	case node != "":
		i.Notes = append(i.Notes, "it is served now, as "+node)
	case dirty && i.Servable:
		i.Notes = append(i.Notes, "it is in use, or was left by a crash (incompatible bit 0): add frees what leaked then")
	}
}

// servedNow is the node that the image at a path is served as, empty if none is
// known.
func servedNow(path string) string {
	image, err := os.Stat(path)
	if err != nil {
		return ""
	}
	records, _ := server.Records(server.DefaultRunDir)
	for _, r := range records {
		if st, err := os.Stat(r.Image); err == nil && r.Alive && os.SameFile(image, st) {
			return r.Node
		}
	}
	return ""
}
