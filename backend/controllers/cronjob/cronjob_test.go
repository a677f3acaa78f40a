package cronjob_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/controllers"
	"pilothouse/backend/controllers/cronjob"

	batchv1 "k8s.io/api/batch/v1"
)

const path = "/apis/batch/v1/namespaces/default/"

// table is a server with the loop alone, and with a clock that the test sets.
type table struct {
	*apitest.Caller
	t   *testing.T
	now atomic.Pointer[time.Time]
}

func newTable(t *testing.T) *table {
	s := apitest.Start(t, apitest.Options{Change: func(o *config.Options) { o.Features.Controllers = nil }})
	tb := &table{Caller: s.Admin(), t: t}
	tb.set(time.Now())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		controllers.Run(ctx, controllers.Deps{Client: client.New(s.Handler(), nil, "test"), Registry: s.Registry(), Clock: func() time.Time { return *tb.now.Load() }},
			[]controllers.Loop{{Name: "cronjob-controller", Account: "cronjob-controller", Named: true, New: cronjob.New}})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return tb
}

func (tb *table) set(now time.Time) { tb.now.Store(&now) }

// at sets the clock and has the loop look.
func (tb *table) at(name string, now time.Time) {
	tb.t.Helper()
	tb.set(now)
	tb.Patch(path+"cronjobs/"+name, `{"metadata":{"annotations":{"touched":"`+now.Format(time.RFC3339Nano)+`"}}}`).Must(200)
}

// cronJob makes a CronJob and gives the first time that it is due.
func (tb *table) cronJob(name, spec string) time.Time {
	tb.t.Helper()
	tb.set(time.Now())
	tb.Post(path+"cronjobs", `{"metadata":{"name":"`+name+`"},"spec":{"schedule":"*/5 * * * *",`+spec+
		`"jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}}`).Must(201)
	made := tb.Get(path + "cronjobs/" + name).Must(200).Object().GetCreationTimestamp()
	return made.Truncate(5 * time.Minute).Add(5 * time.Minute)
}

// jobs gives the times of the Jobs that there are, in minutes after one.
func (tb *table) jobs(name string, after time.Time) string {
	tb.t.Helper()
	var list batchv1.JobList
	tb.Get(path + "jobs").Must(200).Into(&list)
	var out []string
	for _, j := range list.Items {
		var minute int64
		if _, err := fmt.Sscanf(j.Name, name+"-%d", &minute); err != nil {
			continue
		}
		out = append(out, fmt.Sprint(minute-after.Unix()/60))
	}
	return strings.Join(out, " ")
}

func (tb *table) await(want string, f func() string) {
	tb.t.Helper()
	got := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got = f(); got == want {
			return
		}
	}
	tb.t.Fatalf("it stays at %q, want %q", got, want)
}

func (tb *table) awaitJobs(name string, after time.Time, want string) {
	tb.t.Helper()
	tb.await(want, func() string { return tb.jobs(name, after) })
}

func (tb *table) status(name string) *batchv1.CronJobStatus {
	tb.t.Helper()
	var cj batchv1.CronJob
	tb.Get(path + "cronjobs/" + name).Must(200).Into(&cj)
	return &cj.Status
}

// awaitActive waits until the status has so many Jobs: the loop writes it after it
// has made a Job, and goes by it when the clock is set on.
func (tb *table) awaitActive(name string, n int) {
	tb.t.Helper()
	tb.await(fmt.Sprint(n), func() string { return fmt.Sprint(len(tb.status(name).Active)) })
}

func TestReplaceAndForbid(t *testing.T) {
	tb := newTable(t)
	due := tb.cronJob("replace", `"concurrencyPolicy":"Replace",`)
	tb.at("replace", due.Add(time.Second))
	tb.awaitJobs("replace", due, "0")
	tb.awaitActive("replace", 1)
	tb.at("replace", due.Add(5*time.Minute))
	tb.awaitJobs("replace", due, "5") // the first one is gone
	tb.await("replace-"+fmt.Sprint(due.Unix()/60+5), func() string {
		if active := tb.status("replace").Active; len(active) == 1 {
			return active[0].Name
		}
		return ""
	})

	due = tb.cronJob("forbid", `"concurrencyPolicy":"Forbid",`)
	tb.at("forbid", due.Add(time.Second))
	tb.awaitJobs("forbid", due, "0")
	tb.awaitActive("forbid", 1)
	tb.at("forbid", due.Add(5*time.Minute))
	tb.await("JobAlreadyActive", func() string {
		if strings.Contains(string(tb.Get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dforbid").Must(200).Body), "JobAlreadyActive") {
			return "JobAlreadyActive"
		}
		return ""
	})
	if got := tb.jobs("forbid", due); got != "0" {
		t.Errorf("the Jobs are %s", got)
	}

	due = tb.cronJob("allow", "")
	tb.at("allow", due.Add(time.Second))
	tb.awaitJobs("allow", due, "0")
	tb.at("allow", due.Add(5*time.Minute))
	tb.awaitJobs("allow", due, "0 5")
}

// What has not been started within its deadline is not started at all.
func TestStartingDeadline(t *testing.T) {
	tb := newTable(t)
	due := tb.cronJob("late", `"startingDeadlineSeconds":100,`)
	tb.at("late", due.Add(101*time.Second))
	tb.at("late", due.Add(5*time.Minute+99*time.Second))
	tb.awaitJobs("late", due, "5")
	tb.await(due.Add(5*time.Minute).UTC().String(), func() string {
		if at := tb.status("late").LastScheduleTime; at != nil {
			return at.UTC().String()
		}
		return ""
	})

	// Of several that were missed, the last one is made.
	due = tb.cronJob("missed", "")
	tb.at("missed", due.Add(62*time.Minute))
	tb.awaitJobs("missed", due, "60")
	tb.at("missed", due.Add(63*time.Minute))
	tb.at("missed", due.Add(65*time.Minute))
	tb.awaitJobs("missed", due, "60 65")
}
