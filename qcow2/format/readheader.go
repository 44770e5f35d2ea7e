// SPDX-License-Identifier: Apache-2.0

package format

// ReadHeader reads the header of an image file of length bytes. read fills its
// argument from a byte of the file.
func ReadHeader(read func(p []byte, off uint64) error, length uint64) (*Header, error) {
	first := make([]byte, min(length, headerV2Length))
	if err := read(first, 0); err != nil {
		return nil, err
	}
	bits, err := peekClusterBits(first)
	if err != nil {
		return nil, err
	}
	cluster := make([]byte, min(length, 1<<bits))
	if err := read(cluster, 0); err != nil {
		return nil, err
	}
	return ParseHeader(cluster)
}
