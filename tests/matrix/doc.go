// SPDX-License-Identifier: Apache-2.0

// Package matrix holds tests only: images of every kind the format has, made
// and filled by stock qemu-img and qemu-io, are read, written and given back to
// them. It runs on the host and needs these two tools (make deps).
//
//	go test ./tests/matrix                        # some seconds
//	go test ./tests/matrix -matrix.images 160 -v  # every value with most others
//
// And images of every kind are damaged, for stock qemu-img to judge our check and
// repair:
//
//	go test ./tests/matrix -run TestDamage -damage.images 200 -v
package matrix
