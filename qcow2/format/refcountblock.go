// SPDX-License-Identifier: Apache-2.0

package format

import "encoding/binary"

// RefcountBlock views the bytes of one refcount block: refcounts of 1 to 64
// bits, big-endian; below 8 bits the first one sits in the lowest bits of a
// byte (qcow2 specification, "Refcount block entry").
type RefcountBlock struct {
	Order uint // log2 of the bits of one refcount
	Data  []byte
}

// Len is the number of refcounts.
func (b RefcountBlock) Len() uint64 { return uint64(len(b.Data)) * 8 >> b.Order }

// MaxRefcount is the largest refcount the width can hold.
func MaxRefcount(order uint) uint64 {
	return 1<<(1<<order-1)<<1 - 1
}

// Get returns refcount i.
func (b RefcountBlock) Get(i uint64) uint64 {
	switch b.Order {
	case 3:
		return uint64(b.Data[i])
	case 4:
		return uint64(binary.BigEndian.Uint16(b.Data[i*2:]))
	case 5:
		return uint64(binary.BigEndian.Uint32(b.Data[i*4:]))
	case 6:
		return binary.BigEndian.Uint64(b.Data[i*8:])
	}
	at, shift := b.bit(i)
	return uint64(b.Data[at]) >> shift & MaxRefcount(b.Order)
}

// Set changes refcount i; v must not exceed MaxRefcount.
func (b RefcountBlock) Set(i, v uint64) {
	switch b.Order {
	case 3:
		b.Data[i] = byte(v)
	case 4:
		binary.BigEndian.PutUint16(b.Data[i*2:], uint16(v))
	case 5:
		binary.BigEndian.PutUint32(b.Data[i*4:], uint32(v))
	case 6:
		binary.BigEndian.PutUint64(b.Data[i*8:], v)
	default:
		at, shift := b.bit(i)
		mask := byte(MaxRefcount(b.Order)) << shift
		b.Data[at] = b.Data[at]&^mask | byte(v)<<shift
	}
}

// bit is where a refcount below 8 bits is: byte and shift.
func (b RefcountBlock) bit(i uint64) (at uint64, shift uint) {
	bit := i << b.Order
	return bit / 8, uint(bit % 8)
}

// Span is the range of bytes that holds refcounts [first,first+n).
func (b RefcountBlock) Span(first, n uint64) (from, to uint64) {
	return first << b.Order / 8, ((first+n)<<b.Order + 7) / 8
}

// Used is how many refcounts there are up to the last one that isn't zero.
func (b RefcountBlock) Used() uint64 {
	data := b.Data
	for n := len(data) / 2; n >= 512 && IsZero(data[n:]); n = len(data) / 2 {
		data = data[:n]
	}
	for len(data) > 0 && data[len(data)-1] == 0 {
		data = data[:len(data)-1]
	}
	n := (uint64(len(data))*8 + 1<<b.Order - 1) >> b.Order
	for n > 0 && b.Get(n-1) == 0 {
		n--
	}
	return n
}
