package batch

import (
	"math"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestJobDefaults(t *testing.T) {
	f := func(spec, want string) {
		t.Helper()
		got, wanted := &batchv1.Job{}, &batchv1.JobSpec{}
		read(t, spec, &got.Spec)
		read(t, want, wanted)
		setJobDefaults(got)
		template := got.Spec.Template.Spec
		if template.RestartPolicy == "" || template.DNSPolicy == "" {
			t.Errorf("%s: the template has no defaults", spec)
		}
		got.Spec.Template = wanted.Template
		if g, w := asJSON(t, got.Spec), asJSON(t, wanted); g != w {
			t.Errorf("%s\ngot  %s\nwant %s", spec, g, w)
		}
	}
	const rest = `completionMode: NonIndexed, suspend: false, manualSelector: false`
	f(`{}`, `{completions: 1, parallelism: 1, backoffLimit: 6, podReplacementPolicy: TerminatingOrFailed, `+rest+`}`)
	f(`{completions: 3}`, `{completions: 3, parallelism: 1, backoffLimit: 6, podReplacementPolicy: TerminatingOrFailed, `+rest+`}`)
	f(`{parallelism: 0}`, `{parallelism: 0, backoffLimit: 6, podReplacementPolicy: TerminatingOrFailed, `+rest+`}`)
	f(`{backoffLimitPerIndex: 0}`, `{completions: 1, parallelism: 1, backoffLimitPerIndex: 0, backoffLimit: 2147483647, podReplacementPolicy: TerminatingOrFailed, `+rest+`}`)
	f(`{podFailurePolicy: {rules: [{onPodConditions: [{type: A}, {type: B, status: "False"}]}]}}`,
		`{completions: 1, parallelism: 1, backoffLimit: 6, podReplacementPolicy: Failed, `+rest+`,
		podFailurePolicy: {rules: [{action: "", onPodConditions: [{type: A, status: "True"}, {type: B, status: "False"}]}]}}`)
}

func TestGeneratedSelector(t *testing.T) {
	j := job(t, `{}`)
	want := map[string]string{
		"controller-uid": "u-1", "batch.kubernetes.io/controller-uid": "u-1",
		"job-name": "j", "batch.kubernetes.io/job-name": "j",
	}
	if got := j.Spec.Template.Labels; asJSON(t, got) != asJSON(t, want) {
		t.Errorf("labels of the template: %v", got)
	}
	if got := metav1.FormatLabelSelector(j.Spec.Selector); got != "batch.kubernetes.io/controller-uid=u-1" {
		t.Errorf("selector %s", got)
	}
	if j.Generation != 1 {
		t.Errorf("generation %d", j.Generation)
	}

	own := job(t, `{manualSelector: true, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}}}`)
	if len(own.Spec.Template.Labels) != 1 || len(own.Labels) != 1 {
		t.Errorf("a selector of its own: template %v, job %v", own.Spec.Template.Labels, own.Labels)
	}
	expect(t, "own selector", lines(validateJob(t, own)), nil)
}

func TestJobValidation(t *testing.T) {
	f := func(spec string, want ...string) {
		t.Helper()
		expect(t, spec, lines(validateJob(t, job(t, spec))), want)
	}
	f(`{}`)
	f(`{completionMode: Indexed, completions: 5, parallelism: 2, backoffLimitPerIndex: 1, maxFailedIndexes: 5,
		successPolicy: {rules: [{succeededIndexes: "0,2-4", succeededCount: 3}, {succeededCount: 1}]}}`)
	f(`{parallelism: -1, completions: -2, activeDeadlineSeconds: -3, backoffLimit: -4, ttlSecondsAfterFinished: -5}`,
		`spec.parallelism: Invalid value: -1: must be greater than or equal to 0`,
		`spec.completions: Invalid value: -2: must be greater than or equal to 0`,
		`spec.activeDeadlineSeconds: Invalid value: -3: must be greater than or equal to 0`,
		`spec.backoffLimit: Invalid value: -4: must be greater than or equal to 0`,
		`spec.ttlSecondsAfterFinished: Invalid value: -5: must be greater than or equal to 0`)
	f(`{completionMode: Often}`, `spec.completionMode: Unsupported value: "Often": supported values: "NonIndexed", "Indexed"`)
	f(`{completionMode: Indexed, parallelism: 1}`, `spec.completions: Required value: when completion mode is Indexed`)
	f(`{backoffLimitPerIndex: 1}`, `spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode`)
	f(`{completionMode: Indexed, completions: 2, maxFailedIndexes: 3}`,
		`spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified`,
		`spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions`)
	f(`{completionMode: Indexed, completions: 100001, parallelism: 10001, backoffLimitPerIndex: 1}`,
		`spec.maxFailedIndexes: Required value: must be specified when completions is above 100000`,
		`spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index`)
	f(`{managedBy: x}`, `spec.managedBy: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")`)
	f(`{podReplacementPolicy: Never}`, `spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"`)
	f(`{podReplacementPolicy: TerminatingOrFailed, podFailurePolicy: {rules: []}}`, `spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"`)
	f(`{template: {spec: {restartPolicy: Always}}}`, `spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"`)
	f(`{template: {spec: {restartPolicy: OnFailure}}, podFailurePolicy: {rules: []}}`,
		`spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified`)
	f(`{template: {metadata: {labels: {job-name: x}}}}`,
		`spec.template.metadata.labels[job-name]: Invalid value: {"batch.kubernetes.io/controller-uid":"u-1","batch.kubernetes.io/job-name":"j","controller-uid":"u-1","job-name":"x"}: must be 'j'`)
	f(`{selector: {matchLabels: {a: b}}}`,
		`spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"u-1"}}: `+"`selector` not auto-generated",
		`spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"u-1","batch.kubernetes.io/job-name":"j","controller-uid":"u-1","job-name":"j"}: `+"`selector` does not match template `labels`")
	f(`{manualSelector: true}`,
		`spec.selector: Required value`,
		"spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`")

	long := job(t, `{completionMode: Indexed, completions: 10}`)
	long.Name = strings.Repeat("x", 62)
	errs := lines(validateJob(t, long))
	if last := errs[len(errs)-1]; last != `metadata.name: Invalid value: "`+long.Name+`": will not able to create pod with invalid DNS label: `+long.Name+"-9" {
		t.Errorf("a long name: %s", last)
	}
}

func TestFailurePolicy(t *testing.T) {
	f := func(rule string, want ...string) {
		t.Helper()
		expect(t, rule, lines(validateJob(t, job(t, `{podFailurePolicy: {rules: [`+rule+`]}}`))), want)
	}
	const path = "spec.podFailurePolicy.rules[0]"
	f(`{action: Ignore, onPodConditions: [{type: DisruptionTarget}]}`)
	f(`{action: FailJob, onExitCodes: {containerName: c, operator: In, values: [1, 2]}}`)
	f(`{}`,
		path+`.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`,
		path+`: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`)
	f(`{action: Give, onExitCodes: {containerName: x, operator: Not, values: []}, onPodConditions: [{type: "a b", status: Maybe}]}`,
		path+`.action: Unsupported value: "Give": supported values: "Count", "FailIndex", "FailJob", "Ignore"`,
		path+`.onExitCodes.operator: Unsupported value: "Not": supported values: "In", "NotIn"`,
		path+`.onExitCodes.containerName: Invalid value: "x": must be one of the container or initContainer names in the pod template`,
		path+`.onExitCodes.values: Invalid value: []: at least one value is required`,
		path+`.onPodConditions[0].type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		path+`.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
		path+`: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported`)
	f(`{action: Count, onExitCodes: {operator: In, values: [3, 0, 3]}}`,
		path+`.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator`,
		path+`.onExitCodes.values[2]: Duplicate value: 3`,
		path+`.onExitCodes.values: Invalid value: [3,0,3]: must be ordered`)
	f(`{action: FailIndex, onPodConditions: [{type: A}]}`, path+`.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`)
}

func TestSuccessPolicy(t *testing.T) {
	f := func(rule string, want ...string) {
		t.Helper()
		expect(t, rule, lines(validateJob(t, job(t, `{completionMode: Indexed, completions: 5, successPolicy: {rules: [`+rule+`]}}`))), want)
	}
	const path = "spec.successPolicy.rules"
	f(``, path+`: Required value: at least one rules must be specified when the successPolicy is specified`)
	f(`{}`, path+`[0]: Required value: at least one of succeededCount or succeededIndexes must be specified`)
	f(`{succeededIndexes: "0-x"}`, path+`[0].succeededIndexes: Invalid value: "0-x": error parsing succeededIndexes: cannot convert string to integer for index: "x"`)
	f(`{succeededIndexes: "0,2", succeededCount: 6}`,
		path+`[0].succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of specified completions)`,
		path+`[0].succeededCount: Invalid value: 6: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)`)
	expect(t, "not indexed", lines(validateJob(t, job(t, `{successPolicy: {rules: []}}`))),
		[]string{`spec.successPolicy: Invalid value: {"Rules":[]}: requires indexed completion mode`})
}

func TestJobUpdate(t *testing.T) {
	f := func(old, change string, want ...string) {
		t.Helper()
		was := job(t, old)
		now := was.DeepCopy()
		read(t, change, now)
		jobStrategy(env).PrepareForUpdate(t.Context(), now, was)
		expect(t, change, lines(jobStrategy(env).ValidateUpdate(t.Context(), now, was)), want)
	}
	f(`{}`, `{spec: {parallelism: 3, suspend: true, backoffLimit: 1}}`)
	f(`{}`, `{spec: {completions: 2}}`, `spec.completions: Invalid value: 2: field is immutable`)
	f(`{completionMode: Indexed, completions: 2}`, `{spec: {completions: 3, parallelism: 3}}`)
	f(`{completionMode: Indexed, completions: 2}`, `{spec: {completions: 3}}`,
		`spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism`)
	f(`{}`, `{spec: {managedBy: a.b/c, completionMode: Indexed, backoffLimitPerIndex: 1}}`,
		`spec.completionMode: Invalid value: "Indexed": field is immutable`,
		`spec.backoffLimitPerIndex: Invalid value: 1: field is immutable`,
		`spec.managedBy: Invalid value: "a.b/c": field is immutable`)
	// A suspended job that has not started may get other places to run in.
	f(`{suspend: true}`, `{spec: {template: {spec: {nodeSelector: {a: b}, tolerations: [{operator: Exists}]}}}}`)
	f(`{suspend: true}`, `{spec: {template: {spec: {containers: [{name: c, image: "i:1", imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File, resources: {limits: {cpu: 1}}}]}}}}`)
	was := job(t, `{}`)
	now := was.DeepCopy()
	now.Spec.Template.Spec.NodeSelector = map[string]string{"a": "b"}
	errs := validateJobUpdate(now, was, podOptions())
	if len(errs) != 1 || errs[0].Field != "spec.template" || errs[0].Detail != "field is immutable" || !strings.Contains(errs[0].Error(), `"NodeSelector":{"a":"b"}`) {
		t.Errorf("template of a job that runs: %v", errs)
	}
}

func TestJobGeneration(t *testing.T) {
	was := job(t, `{}`)
	now := was.DeepCopy()
	now.Labels = map[string]string{"x": "y"}
	now.Generation = 9
	now.Status.Active = 3
	jobStrategy(env).PrepareForUpdate(t.Context(), now, was)
	if now.Generation != 1 || now.Status.Active != 0 {
		t.Errorf("generation %d, active %d", now.Generation, now.Status.Active)
	}
	now.Spec.Suspend = new(true)
	jobStrategy(env).PrepareForUpdate(t.Context(), now, was)
	if now.Generation != 2 {
		t.Errorf("generation %d after a change of the spec", now.Generation)
	}
}

func TestJobStatusUpdate(t *testing.T) {
	f := func(old, status string, want ...string) {
		t.Helper()
		was := job(t, `{}`)
		read(t, old, &was.Status)
		now := was.DeepCopy()
		now.Status = batchv1.JobStatus{}
		read(t, status, &now.Status)
		expect(t, status, lines(validateJobStatusUpdate(now, was)), want)
	}
	const start, end = `startTime: "2026-01-02T03:00:00Z"`, `completionTime: "2026-01-02T03:01:00Z"`
	const met, complete, target, failed = `{type: SuccessCriteriaMet, status: "True"}`, `{type: Complete, status: "True"}`, `{type: FailureTarget, status: "True"}`, `{type: Failed, status: "True"}`
	f(`{}`, `{active: 1, ready: 1, `+start+`}`)
	f(`{}`, `{`+start+`, `+end+`, succeeded: 1, conditions: [`+met+`, `+complete+`]}`)
	f(`{}`, `{active: -1, ready: -2}`,
		`status.active: Invalid value: -1: must be greater than or equal to 0`,
		`status.ready: Invalid value: -2: must be greater than or equal to 0`)
	f(`{}`, `{active: -1}`, `status.active: Invalid value: -1: must be greater than or equal to 0`)
	f(`{}`, `{active: 1, ready: 2}`, `status.ready: Invalid value: 2: cannot set more ready pods than active`)
	f(`{}`, `{uncountedTerminatedPods: {succeeded: [a, ""], failed: [a]}}`,
		`status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty`,
		`status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"`)
	f(`{}`, `{conditions: [`+complete+`]}`,
		`status.completionTime: Required value: completionTime is required for Complete jobs`,
		`status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition`,
		`status.startTime: Required value: startTime is required for finished job`)
	f(`{}`, `{`+start+`, `+end+`, active: 1, terminating: 2, conditions: [`+met+`, `+complete+`, `+target+`, `+failed+`]}`,
		`status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions`,
		`status.conditions: Invalid value: cannot set Complete=True and FailureTarget=true conditions`,
		`status.active: Invalid value: 1: active>0 is invalid for finished job`,
		`status.terminating: Invalid value: 2: terminating>0 is invalid for finished job`,
		`status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and Failed=true conditions`,
		`status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and FailureTarget=true conditions`)
	f(`{}`, `{`+end+`}`, `status.completionTime: Invalid value: "2026-01-02T03:01:00Z": cannot set completionTime when there is no Complete=True condition`)
	f(`{`+start+`, failed: 2, succeeded: 2, conditions: [`+target+`, `+failed+`]}`, `{failed: 1, succeeded: 1}`,
		`status.conditions: Invalid value: cannot disable the terminal Failed=True condition`,
		`status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition`,
		`status.failed: Invalid value: 1: cannot decrease the failed counter`,
		`status.succeeded: Invalid value: 1: cannot decrease the succeeded counter`,
		`status.startTime: Required value: startTime cannot be removed for unsuspended job`)
	f(`{}`, `{completedIndexes: "1"}`,
		`status.completedIndexes: Invalid value: "1": error parsing completedIndexes: too large index: "1"`,
		`status.completedIndexes: Invalid value: "1": cannot set non-empty completedIndexes when non-indexed completion mode`)
}

func TestParseIndexes(t *testing.T) {
	f := func(s string, want string, intervals ...interval) {
		t.Helper()
		got, err := parseIndexes(s, 10)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != want || asJSON(t, got) != asJSON(t, intervals) {
			t.Errorf("%q: %v, %q", s, got, text)
		}
	}
	f("", "")
	f("1", "", interval{1, 1})
	f("0-2,4,8-9", "", interval{0, 2}, interval{4, 4}, interval{8, 9})
	f("1,1", "non-increasing order, previous: 1, current: 1")
	f("3-2", "non-increasing order, previous: 3, current: 2")
	f("1-2-3", `the fragment "1-2-3" violates the requirement that an index interval can have at most two parts separated by '-'`)
	f("10", `too large index: "10"`)
	f("1,", `cannot convert string to integer for index: ""`)
}

func FuzzParseIndexes(f *testing.F) {
	for _, seed := range []string{"", "1,3-5", "-", "1-", ",", "0-4294967296", "١"} {
		f.Add(seed, int32(7))
	}
	f.Fuzz(func(t *testing.T, s string, completions int32) {
		intervals, err := parseIndexes(s, completions)
		if err != nil {
			return
		}
		last := int32(math.MinInt32)
		for _, i := range intervals {
			if i.first > i.last || i.first <= last || i.last >= completions {
				t.Fatalf("%q of %d: %v", s, completions, intervals)
			}
			last = i.last
		}
	})
}

func TestOverlap(t *testing.T) {
	f := func(completed, failed, want string) {
		t.Helper()
		got := ""
		if err := overlap(completed, failed, 10); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s and %s: %q", completed, failed, got)
		}
	}
	f("0-2,5", "3-4,6", "")
	f("0-5", "7,9", "")
	f("1,3-6", "0,5", "failedIndexes and completedIndexes overlap at index: 5")
	f("x", "5", "")
	f("x,5", "5", "failedIndexes and completedIndexes overlap at index: 5")
	f("", "x", "")
}

func TestJobCells(t *testing.T) {
	f := func(change func(j *batchv1.Job), want ...any) {
		t.Helper()
		j := job(t, `{}`)
		j.CreationTimestamp = metav1.NewTime(env.Clock().Add(-time.Hour))
		change(j)
		got := jobCells(j, env.Clock)
		if g, w := asJSON(t, got[:5]), asJSON(t, want); g != w {
			t.Errorf("got  %s\nwant %s", g, w)
		}
	}
	started := func(j *batchv1.Job) { j.Status.StartTime = new(metav1.NewTime(env.Clock().Add(-90 * time.Second))) }
	condition := func(j *batchv1.Job, t batchv1.JobConditionType) {
		j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{Type: t, Status: corev1.ConditionTrue})
	}
	f(func(*batchv1.Job) {}, "j", "Running", "0/1", "", "60m")
	f(func(j *batchv1.Job) { started(j); j.Spec.Completions = nil; j.Spec.Parallelism = new(int32(3)) }, "j", "Running", "0/1 of 3", "90s", "60m")
	f(func(j *batchv1.Job) { j.Spec.Completions = nil }, "j", "Running", "0/1", "", "60m")
	f(func(j *batchv1.Job) {
		started(j)
		j.Status.CompletionTime = new(metav1.NewTime(env.Clock().Add(-60 * time.Second)))
		j.Status.Succeeded = 1
		condition(j, batchv1.JobSuccessCriteriaMet)
		condition(j, batchv1.JobComplete)
	}, "j", "Complete", "1/1", "30s", "60m")
	f(func(j *batchv1.Job) { condition(j, batchv1.JobFailureTarget) }, "j", "FailureTarget", "0/1", "", "60m")
	f(func(j *batchv1.Job) { condition(j, batchv1.JobSuspended) }, "j", "Suspended", "0/1", "", "60m")
	f(func(j *batchv1.Job) { j.DeletionTimestamp = new(metav1.Now()) }, "j", "Terminating", "0/1", "", "60m")
}

func TestJobDelete(t *testing.T) {
	s := jobStrategy(env)
	if !s.OrphanByDefault {
		t.Error("pods go with their job unless told otherwise")
	}
	if got := s.WarnOnDelete(&metav1.DeleteOptions{}); len(got) != 1 || !strings.HasPrefix(got[0], "child pods are preserved by default") {
		t.Errorf("got %q", got)
	}
	if got := s.WarnOnDelete(&metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestSuccessfulField(t *testing.T) {
	j := job(t, `{}`)
	j.Status.Succeeded = 4
	if got := jobResource(env).Fields[0].Get(j); got != "4" {
		t.Errorf("got %q", got)
	}
}
