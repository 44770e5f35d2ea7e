// SPDX-License-Identifier: Apache-2.0

// Package qcow2test has images to test with, laid out by hand and cluster by
// cluster ([Image]), so that tests don't depend on the code that writes images,
// and what `qemu-img check` says of them.
//
//	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 16, Order: 4})
//	im.SetRefcount(im.Data[0], 0)
//	r := qcow2test.MustCheck(t, im, check.Options{})
package qcow2test
