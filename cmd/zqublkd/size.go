package main

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

const sizeUnits = "KMGTPE"

// parseSize reads a number of bytes given as 4096, 64K, 256M, 1G or 2T (powers
// of 1024).
func parseSize(text string) (uint64, error) {
	t := strings.TrimSpace(text)
	for _, tail := range []string{"iB", "B", "b"} {
		if cut := strings.TrimSuffix(t, tail); cut != t && strings.ContainsAny(strings.ToUpper(last(cut)), sizeUnits) {
			t = cut
			break
		}
	}
	shift := uint(0)
	if i := strings.Index(sizeUnits, strings.ToUpper(last(t))); i >= 0 && t != "" {
		shift = uint(i+1) * 10
		t = t[:len(t)-1]
	}
	n, err := strconv.ParseUint(t, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("size %q: give a whole number of bytes, or one with K, M, G or T", text)
	}
	if n != 0 && uint(bits.Len64(n))+shift > 63 {
		return 0, fmt.Errorf("size %q is too large", text)
	}
	return n << shift, nil
}

func last(s string) string {
	if s == "" {
		return "?"
	}
	return s[len(s)-1:]
}

// formatSize prints n in the largest unit that is exact.
func formatSize(n uint64) string {
	unit := ""
	for i := 0; i < len(sizeUnits) && n != 0 && n%1024 == 0; i++ {
		n /= 1024
		unit = sizeUnits[i : i+1]
	}
	return strconv.FormatUint(n, 10) + unit
}

// sizeFlag is a flag's value in bytes, given as parseSize reads it.
type sizeFlag uint64

func (s *sizeFlag) Set(text string) error {
	n, err := parseSize(text)
	if err == nil {
		*s = sizeFlag(n)
	}
	return err
}

func (s *sizeFlag) String() string { return formatSize(uint64(*s)) }

func (*sizeFlag) Type() string { return "size" }
