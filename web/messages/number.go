package messages

import (
	"context"
	"fmt"
	"strconv"
)

// number is a whole number that %d writes with the groups of a language.
type number struct {
	n int64
	l *Language
}

// Format implements fmt.Formatter.
func (n number) Format(f fmt.State, verb rune) {
	if verb == 'd' || verb == 's' || verb == 'v' {
		fmt.Fprint(f, n.l.number(n.n))
		return
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), n.n)
}

// Number is a whole number as the language of a context writes it: 4,213.
func Number(ctx context.Context, n int) string { return From(ctx).number(int64(n)) }

// Number is the package's Number in a language.
func (l *Language) Number(n int) string { return l.number(int64(n)) }

func (l *Language) number(n int64) string {
	if n > -1000 && n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	if l != nil && l.printer != nil {
		return l.printer.Sprintf("%d", n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
