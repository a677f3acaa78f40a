package pages

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// essential names the columns, besides the name and the age, that a list shows
// however narrow it is: they say how an object is.
var essential = []string{"Status", "Phase", "State", "Message"}

// leastName is how many letters are left to names in the narrowest lists, leastMessage
// to messages before other columns go.
const (
	leastName    = 14
	leastMessage = 32
)

// narrow gives the styles of the list where it has too little room for all of its
// columns: beside the panel, on a tablet. Those that matter least go first, the
// name shrinks last, and nobody need scroll sideways for the state or the age. Who
// asks for more columns gets them all; who chose them, as long as no panel is open.
func (sh *shape) narrow() string {
	if sh.state.wide || len(sh.list) == 0 {
		return ""
	}
	list := ".list"
	if len(sh.state.cols) > 0 {
		list = ".panel-open .list"
	}
	total, whole, flexible := 0, 0, slices.IndexFunc(sh.list, func(c shapeColumn) bool { return c.Name == "Message" })
	var rest []int
	for i, c := range sh.list {
		whole += c.ch
		if flexible < 0 && c.index == 0 {
			flexible = i
		}
		// The boxes stand in the first column: it goes only where the name is next.
		if c.index == 0 || c.age || slices.Contains(essential, c.Name) || i == 0 && (c.index != namespaceColumn || len(sh.list) < 2 || sh.list[1].index != 0) {
			total += c.ch
		} else {
			rest = append(rest, i)
		}
	}
	if len(rest) > 0 && rest[0] == 0 {
		total += checkbox // which the name has then
	}
	slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(sh.rank(a), sh.rank(b)) })
	var css strings.Builder
	below := func(letters int, rule string, args ...any) {
		fmt.Fprintf(&css, "@container rows (width<%dch){%s}", letters, fmt.Sprintf(rule, args...))
	}
	// The message gives way before others go, the name when they are gone.
	give := &sh.list[flexible]
	narrowest := total - give.ch + min(give.ch, leastName)
	if give.Name == "Message" {
		narrowest = total - give.ch + min(give.ch, leastMessage)
		total = narrowest
	} else {
		whole = total
	}
	below(whole, "%[1]s{min-width:%[2]dch}%[1]s col:nth-child(%[3]d){width:auto}", list, narrowest, flexible+2)
	for _, i := range rest {
		total += sh.list[i].ch
		rule := "%[1]s :is(col,th,td):nth-child(%[2]d){display:none}"
		if i == 0 {
			total -= checkbox
			rule += "%[1]s .sel+*+*{padding-left:40px}"
		}
		below(total, rule, list, i+2)
	}
	return "@media(min-width:768px){" + css.String() + "}"
}

// rank orders the columns that are not essential: what tells apart objects of the
// same name, whether they are ready, and the others as kubectl has them.
func (sh *shape) rank(i int) int {
	switch c := sh.list[i]; {
	case c.index == namespaceColumn:
		return 0
	case c.Name == "Ready":
		return 1
	}
	return 2
}
