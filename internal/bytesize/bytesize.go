// SPDX-License-Identifier: Apache-2.0

// Package bytesize reads and prints numbers of bytes the way people write them: 64K, 1.5G, 2T,
// in powers of 1024.
package bytesize

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

const units = "KMGTPE"

// fraction is a number with digits after the point.
var fraction = regexp.MustCompile(`^[0-9]+\.[0-9]{1,20}$`)

// Parse reads a number of bytes given as 4096, 64K, 256MiB, 1.5G or 2T.
func Parse(text string) (uint64, error) {
	t := strings.TrimSpace(text)
	for _, tail := range []string{"iB", "B", "b"} {
		if cut := strings.TrimSuffix(t, tail); cut != t && strings.ContainsAny(strings.ToUpper(last(cut)), units) {
			t = cut
			break
		}
	}
	shift := uint(0)
	if i := strings.Index(units, strings.ToUpper(last(t))); i >= 0 && t != "" {
		shift = uint(i+1) * 10
		t = t[:len(t)-1]
	}
	if fraction.MatchString(t) {
		return parseFraction(text, t, shift)
	}
	n, err := strconv.ParseUint(t, 0, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n != 0 && uint(bits.Len64(n))+shift > 63:
		return 0, fmt.Errorf("size %q is too large: it must be below 8E", text)
	case err != nil:
		return 0, fmt.Errorf("size %q: give a number of bytes, or one with K, M, G, T, P or E (powers of 1024), such as 64K or 1.5G", text)
	}
	return n << shift, nil
}

// parseFraction reads a number such as 1.5 in units of 1<<shift bytes.
func parseFraction(text, number string, shift uint) (uint64, error) {
	r, _ := new(big.Rat).SetString(number)
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), shift)))
	switch n := r.Num(); {
	case !r.IsInt():
		return 0, fmt.Errorf("size %q is no whole number of bytes: give it in a smaller unit", text)
	case n.BitLen() > 63:
		return 0, fmt.Errorf("size %q is too large: it must be below 8E", text)
	default:
		return n.Uint64(), nil
	}
}

func last(s string) string {
	if s == "" {
		return "?"
	}
	return s[len(s)-1:]
}

// Format returns n in the largest unit that is exact.
func Format(n uint64) string {
	unit := ""
	for i := 0; i < len(units) && n != 0 && n%1024 == 0; i++ {
		n /= 1024
		unit = units[i : i+1]
	}
	return strconv.FormatUint(n, 10) + unit
}

// Flag is a flag's value in bytes, given as Parse reads it. It implements pflag.Value.
type Flag uint64

// Set implements pflag.Value.
func (s *Flag) Set(text string) error {
	n, err := Parse(text)
	if err == nil {
		*s = Flag(n)
	}
	return err
}

// String implements pflag.Value.
func (s *Flag) String() string { return Format(uint64(*s)) }

// Type implements pflag.Value.
func (*Flag) Type() string { return "size" }
