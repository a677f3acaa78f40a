// Package prefs owns what users want to find again in every browser: the columns
// and the order of lists, the height of rows, named views, and the language. It is
// kept in one file. It knows neither HTML nor the API.
package prefs

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"pilothouse/web/messages"

	"k8s.io/klog/v2"
)

// Bounds of what is kept.
const (
	maxUsers = 10_000
	maxLists = 500
	maxViews = 100
	maxName  = 60
	maxQuery = 4096
)

// View is a page with a name.
type View struct {
	Name string `json:"name"`
	Href string `json:"href"`
}

// User is what one user has.
type User struct {
	// Lists are queries by the path of a list: how it is shown when its address
	// says nothing.
	Lists map[string]string `json:"lists,omitempty"`
	// Widths are the widths of columns by the path of a list: a query of names
	// and numbers of letters.
	Widths map[string]string `json:"widths,omitempty"`
	Views  []View            `json:"views,omitempty"`
	// Language is the tag of the one that the user has chosen; empty for the
	// browser's.
	Language string `json:"language,omitempty"`
	// DraftKey seals drafts in the user's browsers.
	DraftKey []byte `json:"draftKey,omitempty"`
	// Compact rows are 22 pixels high instead of 28.
	Compact bool `json:"compact,omitempty"`
}

// Table is everybody's preferences. It is safe for concurrent use.
type Table struct {
	file string

	mu    sync.Mutex // guards users
	users map[string]*User
}

// Open reads a Table from a file, which need not exist; without a name it is
// kept in memory only.
func Open(file string) (*Table, error) {
	t := &Table{file: file, users: map[string]*User{}}
	if file == "" {
		return t, nil
	}
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &t.users); err != nil {
		// Preferences are no reason not to start.
		klog.ErrorS(err, "Preferences of the dashboard cannot be read; they begin anew", "file", file)
		t.users = map[string]*User{}
	}
	return t, nil
}

// List is how a user wants a list to be shown, empty for as usual.
func (t *Table) List(user, path string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.users[user]; u != nil {
		return u.Lists[path]
	}
	return ""
}

// Views are a user's named views.
func (t *Table) Views(user string) []View {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.users[user]; u != nil {
		return slices.Clone(u.Views)
	}
	return nil
}

// Language is the language that a user has chosen, empty for the browser's.
func (t *Table) Language(user string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.users[user]; u != nil {
		return u.Language
	}
	return ""
}

// SetLanguage keeps the language of a user; empty is the browser's again.
func (t *Table) SetLanguage(user, tag string) error {
	return t.change(user, func(u *User) error { u.Language = tag; return nil })
}

// Compact tells whether a user wants rows that are less high.
func (t *Table) Compact(user string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.users[user]
	return u != nil && u.Compact
}

// SetCompact keeps whether a user wants rows that are less high.
func (t *Table) SetCompact(user string, compact bool) error {
	return t.change(user, func(u *User) error { u.Compact = compact; return nil })
}

// DraftKey is the key that seals a user's drafts in their browsers: 32 random
// bytes, made when it is first asked for.
func (t *Table) DraftKey(user string) ([]byte, error) {
	var key []byte
	t.mu.Lock()
	if u := t.users[user]; u != nil {
		key = u.DraftKey
	}
	t.mu.Unlock()
	if key != nil {
		return key, nil
	}
	err := t.change(user, func(u *User) error {
		if len(u.DraftKey) == 0 {
			u.DraftKey = make([]byte, 32)
			rand.Read(u.DraftKey) //nolint:errcheck // crypto/rand never fails
		}
		key = u.DraftKey
		return nil
	})
	return key, err
}

// SetList keeps how a list is to be shown; an empty query is as usual again.
func (t *Table) SetList(user, path, query string) error {
	if len(query) > maxQuery || len(path) > maxQuery {
		return messages.Errorf("this is too long to be kept")
	}
	return t.change(user, func(u *User) error { return keep(&u.Lists, path, query) })
}

// Widths is how wide a user wants the columns of a list, empty for as usual.
func (t *Table) Widths(user, path string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.users[user]; u != nil {
		return u.Widths[path]
	}
	return ""
}

// SetWidths keeps how wide the columns of a list are; an empty query is as
// usual again.
func (t *Table) SetWidths(user, path, query string) error {
	if len(query) > maxQuery || len(path) > maxQuery {
		return messages.Errorf("this is too long to be kept")
	}
	return t.change(user, func(u *User) error { return keep(&u.Widths, path, query) })
}

func keep(lists *map[string]string, path, query string) error {
	if query == "" {
		delete(*lists, path)
		return nil
	}
	if len(*lists) >= maxLists && (*lists)[path] == "" {
		return messages.Errorf("the columns of %d lists are kept already", maxLists)
	}
	if *lists == nil {
		*lists = map[string]string{}
	}
	(*lists)[path] = query
	return nil
}

// SetView keeps a view under a name, in the place of one that has it.
func (t *Table) SetView(user string, v View) error {
	v.Name = strings.TrimSpace(v.Name)
	if v.Name == "" || len(v.Name) > maxName || len(v.Href) > maxQuery {
		return messages.Errorf("a view needs a name of at most %d letters", maxName)
	}
	return t.change(user, func(u *User) error {
		u.Views = slices.DeleteFunc(u.Views, func(o View) bool { return o.Name == v.Name })
		if len(u.Views) >= maxViews {
			return messages.Errorf("there are %d views already", maxViews)
		}
		u.Views = append(u.Views, v)
		sort.SliceStable(u.Views, func(i, j int) bool { return u.Views[i].Name < u.Views[j].Name })
		return nil
	})
}

// DropView forgets a view.
func (t *Table) DropView(user, name string) error {
	return t.change(user, func(u *User) error {
		u.Views = slices.DeleteFunc(u.Views, func(o View) bool { return o.Name == name })
		return nil
	})
}

func (t *Table) change(user string, f func(u *User) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.users[user]
	if u == nil {
		if len(t.users) >= maxUsers {
			return messages.Errorf("too many users have preferences")
		}
		u = &User{}
	}
	if err := f(u); err != nil {
		return err
	}
	t.users[user] = u
	if t.file == "" {
		return nil
	}
	return t.save()
}

// save writes the file, whole or not at all.
func (t *Table) save() error {
	raw, err := json.Marshal(t.users)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(t.file), ".preferences-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), t.file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
