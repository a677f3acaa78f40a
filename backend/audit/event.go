package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Event is an Event of audit.k8s.io/v1 on its way to the sinks. It is written by
// hand, since every request pays for it; auditv1.Event reads what comes out.
type Event struct {
	level       auditv1.Level
	stage       auditv1.Stage
	id          string
	uri, verb   string
	user        *request.User
	as          *request.User // who is impersonated
	constraint  string
	sourceIPs   []string
	agent       string
	ref         *auditv1.ObjectReference
	status      *metav1.Status // nil when there is only the code
	code        int            // 0 before the response
	request     []byte
	response    []byte
	received    time.Time
	at          time.Time
	annotations []note // by key
	// written is what the request has committed; only the journal keeps it.
	written []request.Written

	// line is the event in JSON with a newline, made when first asked for.
	line []byte
	// room is memory for line.
	room []byte
}

// note is one annotation.
type note struct{ key, value string }

func sortNotes(list []note) {
	slices.SortFunc(list, func(a, b note) int { return strings.Compare(a.key, b.key) })
}

// Line gives the event as one line of JSON. It is valid until the sink returns.
func (e *Event) Line() []byte {
	if e.line == nil {
		e.line = append(e.append(e.room[:0]), '\n')
		e.room = e.line
	}
	return e.line
}

const eventStart = `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`

func (e *Event) append(b []byte) []byte {
	b = append(b, eventStart+`"level":"`...)
	b = append(b, e.level...)
	b = appendField(append(b, '"'), "auditID", e.id)
	b = append(b, `,"stage":"`...)
	b = append(b, e.stage...)
	b = appendField(append(b, '"'), "requestURI", e.uri)
	b = appendField(b, "verb", e.verb)
	b = appendUser(append(b, `,"user":`...), e.user)
	if e.as != nil {
		b = appendUser(append(b, `,"impersonatedUser":`...), e.as)
	}
	if e.constraint != "" {
		b = appendString(append(b, `,"authenticationMetadata":{"impersonationConstraint":`...), e.constraint)
		b = append(b, '}')
	}
	if len(e.sourceIPs) > 0 {
		b = appendStrings(append(b, `,"sourceIPs":`...), e.sourceIPs)
	}
	if e.agent != "" {
		b = appendField(b, "userAgent", e.agent)
	}
	if e.ref != nil {
		b = appendReference(append(b, `,"objectRef":`...), e.ref)
	}
	b = e.appendStatus(b)
	if len(e.request) > 0 {
		b = append(append(b, `,"requestObject":`...), e.request...)
	}
	if len(e.response) > 0 {
		b = append(append(b, `,"responseObject":`...), e.response...)
	}
	b = appendTime(b, "requestReceivedTimestamp", e.received)
	b = appendTime(b, "stageTimestamp", e.at)
	if len(e.annotations) > 0 {
		b = append(b, `,"annotations":{`...)
		for i, n := range e.annotations {
			b = appendString(appendKey(b, i, n.key), n.value)
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

func (e *Event) appendStatus(b []byte) []byte {
	switch {
	case e.status != nil:
		raw, err := json.Marshal(e.status)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		return append(append(b, `,"responseStatus":`...), raw...)
	case e.code != 0:
		b = append(b, `,"responseStatus":{"metadata":{},"code":`...)
		return append(strconv.AppendInt(b, int64(e.code), 10), '}')
	}
	return b
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func appendUser(b []byte, u *request.User) []byte {
	start := len(b)
	if u != nil {
		b = appendOptional(b, "username", u.Name)
		b = appendOptional(b, "uid", u.UID)
		if len(u.Groups) > 0 {
			b = appendStrings(append(b, `,"groups":`...), u.Groups)
		}
		if len(u.Extra) > 0 {
			b = append(b, `,"extra":{`...)
			for i, key := range sortedKeys(u.Extra) {
				b = appendStrings(appendKey(b, i, key), u.Extra[key])
			}
			b = append(b, '}')
		}
	}
	return closeObject(b, start)
}

func appendReference(b []byte, r *auditv1.ObjectReference) []byte {
	start := len(b)
	b = appendOptional(b, "resource", r.Resource)
	b = appendOptional(b, "namespace", r.Namespace)
	b = appendOptional(b, "name", r.Name)
	b = appendOptional(b, "uid", string(r.UID))
	b = appendOptional(b, "apiGroup", r.APIGroup)
	b = appendOptional(b, "apiVersion", r.APIVersion)
	b = appendOptional(b, "resourceVersion", r.ResourceVersion)
	b = appendOptional(b, "subresource", r.Subresource)
	return closeObject(b, start)
}

// closeObject makes an object of the fields from start on, each of which begins
// with a comma.
func closeObject(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, "{}"...)
	}
	b[start] = '{'
	return append(b, '}')
}

func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendField(b, name, value)
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendString(b, value)
}

func appendKey(b []byte, i int, key string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return append(appendString(b, key), ':')
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

func appendTime(b []byte, name string, t time.Time) []byte {
	b = append(append(append(b, `,"`...), name...), `":"`...)
	return append(appendMicro(b, t.UTC()), '"')
}

// appendMicro is t.AppendFormat(b, metav1.RFC3339Micro) for a time in UTC: every
// event has two of them.
func appendMicro(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year < 1000 || year > 9999 {
		return t.AppendFormat(b, metav1.RFC3339Micro)
	}
	hour, minute, second := t.Clock()
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	b = appendDigits(append(b, ':'), second, 2)
	b = appendDigits(append(b, '.'), t.Nanosecond()/1000, 6)
	return append(b, 'Z')
}

func appendDigits(b []byte, n, width int) []byte {
	var digits [6]byte
	for i := width - 1; i >= 0; i-- {
		digits[i], n = byte('0'+n%10), n/10
	}
	return append(b, digits[:width]...)
}

// appendString quotes s; what needs no escape is copied.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("BUG: " + err.Error())
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// Legacy gives the event in the format "legacy" of --audit-log-format.
func (e *Event) Legacy() string {
	user, groups, as, asGroups, namespace, response, ip := "<none>", "<none>", "<self>", "<lookup>", "<none>", "<deferred>", "<unknown>"
	if e.user != nil && e.user.Name != "" {
		user = e.user.Name
		if len(e.user.Groups) > 0 {
			groups = quoteAll(e.user.Groups)
		}
	}
	if e.as != nil {
		as = e.as.Name
		if e.as.Groups != nil {
			asGroups = quoteAll(e.as.Groups)
		}
	}
	if e.ref != nil && e.ref.Namespace != "" {
		namespace = e.ref.Namespace
	}
	switch {
	case e.status != nil:
		response = strconv.Itoa(int(e.status.Code))
	case e.code != 0:
		response = strconv.Itoa(e.code)
	}
	if len(e.sourceIPs) > 0 {
		ip = e.sourceIPs[0]
	}
	return fmt.Sprintf("%s AUDIT: id=%q stage=%q ip=%q method=%q user=%q groups=%q as=%q asgroups=%q user-agent=%q namespace=%q uri=%q response=\"%s\"\n",
		e.received.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano), e.id, e.stage, ip, e.verb, user, groups, as, asGroups, e.agent, namespace, e.uri, response)
}

func quoteAll(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ",")
}
