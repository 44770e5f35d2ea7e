// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// Options are those of Convert.
type Options struct {
	// Image to be made. Of zones it may have a revision; the others, the size and
	// the logical block size are those of the source.
	Image qcow2.CreateOptions

	// Progress, if set, is told now and then how many bytes of the disk, from its
	// start, are done.
	Progress func(done uint64)
}

// Convert makes in out, whatever it held, a zoned image that stands alone of a
// zoned one that may lie over others: zones, limits, conditions, write pointers and
// data below them, in offline zones, too. Data is durable before the write pointers
// that show it. Nobody may write to src meanwhile.
func Convert(src *qcow2.Image, out storage.File, o Options) error {
	if err := src.Refused(qcow2.UseRead); err != nil {
		return err
	}
	options, err := o.forImport(src)
	if err != nil {
		return err
	}
	err = src.EachZone(func(zone uint32, e format.ZoneEntry) error {
		options.WritePointers = append(options.WritePointers, min(e.WP, src.Zoned().WritableEnd(zone)))
		return nil
	})
	if err != nil {
		return err
	}
	return Import(imageSource{src.StoredView()}, out, options)
}

// Validate says which option breaks which rule, before anything is touched.
func (o Options) Validate(src *qcow2.Image) error {
	options, err := o.forImport(src)
	if err == nil {
		err = options.Image.Validate()
	}
	return err
}

func (o Options) forImport(src *qcow2.Image) (ImportOptions, error) {
	if src.Zoned() == nil {
		return ImportOptions{}, &format.UnsupportedError{Feature: "converting a plain image", WayOut: "zqublkd export writes one that stands alone, zqublkd import one with zones"}
	}
	image, err := o.Image.OverZones(src)
	return ImportOptions{Image: image, Conditions: src.ZoneConditions(), Progress: o.Progress}, err
}
