// SPDX-License-Identifier: Apache-2.0

package engine

import "unsafe"

// address is where the first byte of b lies.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
