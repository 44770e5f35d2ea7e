// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// ConvertOptions of Convert.
type ConvertOptions struct {
	// Image to be made. Of zones it may have a revision; the others, the size and
	// the logical block size are those of the source.
	Image CreateOptions

	// Progress, if set, is told now and then how many bytes of the disk, from its
	// start, are done.
	Progress func(done uint64)
}

// Convert makes in out, whatever it held, a zoned image that stands alone of a
// zoned one that may lie over others: zones, limits, conditions, write pointers and
// data below them, in offline zones, too. Data is durable before the write pointers
// that show it. Nobody may write to src meanwhile.
func Convert(src *Image, out storage.File, o ConvertOptions) error {
	if err := src.refused(UseRead); err != nil {
		return err
	}
	options, err := o.forImport(src)
	if err != nil {
		return err
	}
	err = src.EachZone(func(zone uint32, e format.ZoneEntry) error {
		options.WritePointers = append(options.WritePointers, min(e.WP, src.zones.WritableEnd(zone)))
		return nil
	})
	if err != nil {
		return err
	}
	return Import(imageSource{&zonedView{Image: src, stored: true}}, out, options)
}

// Validate says which option breaks which rule, before anything is touched.
func (o ConvertOptions) Validate(src *Image) error {
	options, err := o.forImport(src)
	if err == nil {
		err = options.Image.Validate()
	}
	return err
}

func (o ConvertOptions) forImport(src *Image) (ImportOptions, error) {
	if src.zones == nil {
		return ImportOptions{}, &format.UnsupportedError{Feature: "converting a plain image", WayOut: "zqublkd export writes one that stands alone, zqublkd import one with zones"}
	}
	image, err := o.Image.overZones(src)
	return ImportOptions{Image: image, Conditions: src.ZoneConditions(), Progress: o.Progress}, err
}
