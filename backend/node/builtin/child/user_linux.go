//go:build amd64 || arm64

package child

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// identity is who the program runs as.
type identity struct {
	uid, gid int
	groups   []int
	home     string
}

// maxAccounts bounds what is read of an image's lists of users and groups.
const maxAccounts = 100_000

// lookUp finds the user in the container's own files.
func lookUp(s *Spec) (*identity, error) {
	who := &identity{home: "/"}
	name, group, _ := strings.Cut(s.User, ":")
	if s.UID != nil {
		name = strconv.FormatInt(*s.UID, 10)
	}
	if name == "" {
		name = "0"
	}
	uid, err := strconv.Atoi(name)
	numeric := err == nil
	found := false
	account := ""
	lines("/etc/passwd", func(f []string) bool {
		if len(f) < 6 {
			return true
		}
		id, errID := strconv.Atoi(f[2])
		gid, errGID := strconv.Atoi(f[3])
		if errID != nil || errGID != nil || f[0] != name && !(numeric && id == uid) {
			return true
		}
		who.uid, who.gid, who.home, account, found = id, gid, f[5], f[0], true
		return false
	})
	if !found {
		if !numeric {
			return nil, fmt.Errorf("unable to find user %s: no matching entries in passwd file", name)
		}
		who.uid = uid
	}
	if who.uid < 0 {
		return nil, fmt.Errorf("user %d is none", who.uid)
	}
	if account != "" && group == "" && s.GID == nil {
		lines("/etc/group", func(f []string) bool {
			if len(f) >= 4 && slices.Contains(strings.Split(f[3], ","), account) {
				if id, err := strconv.Atoi(f[2]); err == nil {
					who.groups = append(who.groups, id)
				}
			}
			return true
		})
	}
	switch {
	case s.GID != nil:
		who.gid = int(*s.GID)
	case group != "":
		id, err := strconv.Atoi(group)
		if err != nil {
			known := false
			lines("/etc/group", func(f []string) bool {
				if len(f) >= 3 && f[0] == group {
					id, err = strconv.Atoi(f[2])
					known = err == nil
				}
				return !known
			})
			if !known {
				return nil, fmt.Errorf("unable to find group %s: no matching entries in group file", group)
			}
		}
		who.gid = id
	}
	for _, g := range s.Groups {
		who.groups = append(who.groups, int(g))
	}
	return who, nil
}

// lines gives the fields of the lines of a file until f gives false.
func lines(file string, f func(fields []string) bool) {
	r, err := os.Open(file)
	if err != nil {
		return
	}
	defer r.Close()
	scanner := bufio.NewScanner(r)
	for n := 0; scanner.Scan() && n < maxAccounts; n++ {
		if !f(strings.Split(strings.TrimSpace(scanner.Text()), ":")) {
			return
		}
	}
}
