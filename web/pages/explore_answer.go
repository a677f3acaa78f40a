package pages

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/request"
)

// Bounds of the answers that are kept for their pages.
const (
	keptAnswerFor  = 10 * time.Minute
	maxAnswer      = 32 << 20
	maxAnswerBytes = 64 << 20
)

// Answers keeps the last large answer that each session got to a request of the
// API explorer, so that the page can show and save all of it without asking
// again. It is safe for concurrent use.
type Answers struct {
	clock func() time.Time

	mu   sync.Mutex // guards list
	list []keptAnswer
}

type keptAnswer struct {
	session, id, kind string
	body              []byte
	at                time.Time
}

// NewAnswers gives an empty Answers.
func NewAnswers(clock func() time.Time) *Answers { return &Answers{clock: clock} }

// keep keeps an answer in the place of the session's last one, and gives its id;
// empty for one that is too large.
func (a *Answers) keep(session, kind string, body []byte) string {
	if len(body) > maxAnswer {
		return ""
	}
	one := keptAnswer{session: session, id: rand.Text(), kind: kind, body: body, at: a.clock()}
	a.mu.Lock()
	defer a.mu.Unlock()
	total := len(body)
	a.list = slices.DeleteFunc(a.list, func(k keptAnswer) bool { return k.session == session || one.at.Sub(k.at) > keptAnswerFor })
	for _, k := range a.list {
		total += len(k.body)
	}
	for ; total > maxAnswerBytes; a.list = a.list[1:] { // the oldest first
		total -= len(a.list[0].body)
	}
	a.list = append(a.list, one)
	return one.id
}

func (a *Answers) find(session, id string) (keptAnswer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.list, func(k keptAnswer) bool { return k.session == session && k.id == id })
	if i < 0 || a.clock().Sub(a.list[i].at) > keptAnswerFor {
		return keptAnswer{}, false
	}
	return a.list[i], true
}

const answersPath = "/ui/answers/"

// answerPage gives the whole of an answer that was kept: to be read, or as it
// came with download.
func answerPage(ctx context.Context, c *Call) (*Answer, error) {
	if c.R.Path == answersPath+"again" {
		return answerAgain(ctx, c)
	}
	k, ok := c.Answers.find(c.Session.ID, strings.TrimPrefix(c.R.Path, answersPath))
	if !ok {
		return nil, notServed(c.R.Path)
	}
	if c.Query.Get("download") == "" {
		return &Answer{Status: http.StatusOK, Raw: indented(k.kind, k.body), Type: "text/plain; charset=utf-8"}, nil
	}
	return answerFile(k.kind, k.body), nil
}

// answerFile is an answer as it came, to be saved.
func answerFile(kind string, body []byte) *Answer {
	name := "answer"
	if strings.Contains(kind, "json") {
		name += ".json"
	}
	a := &Answer{Status: http.StatusOK, Raw: body, Type: "application/octet-stream"}
	a.header("Content-Disposition", `attachment; filename="`+name+`"`)
	return a
}

// answerAgain makes a request of the explorer again whose answer was too large
// to be kept, and gives it to be saved. It only reads.
func answerAgain(ctx context.Context, c *Call) (*Answer, error) {
	q, err := url.ParseQuery(c.Query.Get("query"))
	if err != nil {
		return nil, badText(err)
	}
	call := client.Call{Method: http.MethodGet, Path: c.Query.Get("path"), Query: q, Accept: c.Query.Get("accept")}
	if info := request.ParseInfo(call.Method, call.Path, q.Has("watch"), ""); info.LongRunning() || !strings.HasPrefix(call.Path, "/") {
		return nil, badRequest("This opens a stream, which a page like this cannot show.")
	}
	resp, err := c.Client.Exchange(ctx, call)
	if err != nil {
		return nil, err
	}
	if err := client.Error(call, resp); err != nil {
		return nil, err
	}
	return answerFile(resp.ContentType, resp.Body), nil
}

// indented is a body to be read: JSON in lines.
func indented(kind string, body []byte) []byte {
	var out bytes.Buffer
	if !strings.Contains(kind, "json") || len(body) > maxAnswer || json.Indent(&out, bytes.TrimSpace(body), "", "  ") != nil {
		return body
	}
	return out.Bytes()
}

// keepAnswer keeps what a page does not show of an answer; it gives the address
// of the whole.
func (c *Call) keepAnswer(resp *request.Response) string {
	id := c.Answers.keep(c.Session.ID, resp.ContentType, resp.Body)
	if id == "" {
		return ""
	}
	return answersPath + id
}
