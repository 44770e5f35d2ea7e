// SPDX-License-Identifier: Apache-2.0

// Package importer makes zoned images of disks that come in other forms: a raw
// image, a plain qcow2 image, or what zbd(8) of libzbd has dumped of a zoned
// device. It knows the forms and what zones follow from them; convert.Import
// copies.
package importer
