"""Patterns of organic prompts by capability: each prompt is an opening, a task, some detail, material and an ending.

Fixed runs stay under five words, so that unrelated accounts share hardly any word 5-gram unless a template, a framework
or a public pool makes them.
"""

from stillwatch.model.capability import Capability

OPENINGS = ("{opener} ", "{opener} ", "", "{opener} {@person} here. ", "({@team}) ", "Re {subject}: ", "{closing} ")

TASKS: dict[Capability, tuple[str, ...]] = {
    Capability.SOFTWARE_ENGINEERING: (
        "{verb} the {adjective} {language} function {@function} for {subject} {manner}",
        "fix the {error} bug in {@file} when {subject} changes, {reason}",
        "refactor {@file}: the {adjective} {noun} around {subject} should be {language} code that {goal}",
        "write {language} unit tests for {@function}; {subject} must {verb} nothing and it {goal}",
        "implement an API endpoint for {subject} in {language} that {goal}",
        "why does {@function} raise {error} on {subject}? {manner}",
        "{verb} this pull request for {@file} about {subject}",
        "debug {@file}, {subject} gives {error} after {number} calls",
    ),
    Capability.AGENTIC_REASONING: (
        "act as an agent: {verb} {subject} in {@file}, observe the result, then decide the next action until it {aim}",
        "you are an autonomous agent working on {subject}; {verb} the {noun}, run the {tool}, report each action",
        "continue the agent run on {@team}: last action failed with {error}, choose another for {subject}",
        "explore the repository of {@team}, find where {subject} is decided, act and verify it {aim}",
        "given the observation below, pick the next action for {subject} and say {reason}",
    ),
    Capability.LONG_HORIZON_PLANNING: (
        "plan {span} of work on {subject} for {@team} with milestones, owners and risks",
        "make a roadmap for {subject}: {quantity} phases, dependencies, what to {verb} first, {reason}",
        "break the project {@team} into milestones over {span}; {subject} comes {manner}",
        "long-term strategy and schedule for {subject}, {quantity} steps, deadline in {number} weeks",
    ),
    Capability.TOOL_USE: (
        "use the {tool} tool to {verb} {subject}, then the {tool} tool with {@person} as argument",
        "pick one of the available tools for {subject} and fill in its parameters: {number}, {@person}",
        "invoke the {tool} tool with the arguments for {subject}, then {verb} its result {manner}",
        "look up {subject} with the {tool} tool and book {number} for {@person}",
    ),
    Capability.DATA_ANALYSIS: (
        "analyse the dataset {@table}: trend of {subject} by week, {manner}",
        "SQL: count {subject} by month in the table {@table}, top {number} rows",
        "the spreadsheet {@table} has {subject}; compute mean, median and outliers, {reason}",
        "run a regression of {subject} on the columns of {@table}, plot the residuals",
        "clean the dataframe {@table}, pivot {subject}, chart the distribution {manner}",
    ),
    Capability.REASONING_ELICITATION: (
        "think step by step: {@person} has {number} items of {subject}, {@person} has {number}; how many remain",
        "show your reasoning: if {quantity} {adjective} {noun} entries need {subject}, prove it {aim}",
        "solve this puzzle about {subject} and explain each step {manner}",
        "a problem: {number} workers {verb} {subject} in {number} hours, how long for {number}? reason carefully",
    ),
    Capability.RUBRIC_GRADING: (
        "grade the answer about {subject} from 1 to 10 for {criterion} and {criterion}",
        "compare response A and response B on {subject}; which is better for {criterion}? {manner}",
        "score this essay on {subject} with the rubric: {criterion}, {criterion}, {criterion}",
    ),
    Capability.OTHER: (
        "{verb} the {adjective} {noun} on {subject} {manner}",
        "{verb} {quantity} ideas for {subject}, {reason}",
        "a {adjective} {noun} for {@person} about {subject} {manner}",
        "what do people mean by {subject}? {reason}",
        "{@person} wants a {adjective} {noun}; {verb} the part on {subject} {manner}",
        "translate the {noun} of {@team} about {subject}, {manner}",
        "{verb} my {noun}: {subject}, {adjective}, {quantity} paragraphs",
        "recommend {quantity} {adjective} books on {subject} {reason}",
    ),
}

DETAILS = (
    ". ",
    ". The {adjective} {noun} from {@person} is {adjective}; {subject} matters most. ",
    ". Mind {subject}, {reason}. ",
    ". It belongs to {@team}; see {@file} and ask {@person}, {reason}. ",
    ". {@team} uses {language} and a {adjective} {noun} with {number} entries, {reason}. ",
    ", {reason}. Also {verb} {subject} {manner}. ",
    ". Context: {@person} will {verb} it {manner}; {subject} was {adjective} for {number} days, {reason}. ",
    (
        ". It {aim}, or {@person} will {verb} the {noun}. Then "
        "{verb} {subject} and {verb} {quantity} {noun} entries {manner}. "
    ),
)

MATERIALS: dict[Capability, tuple[str, ...]] = {
    Capability.SOFTWARE_ENGINEERING: (
        "",
        (
            "\n```\ndef {@function}({@field}, {stem}=None):\n    {stem} = {@function}({@field})\n"
            "    if {stem} > {number}:\n        raise ValueError({stem})\n"
            "    return [{function}(x) for x in {@field}]\n```\n"
        ),
        "\n{@file}:{number}: {error} in {@function} ({@field}={number})\n{@file}:{number}: called from {function}\n",
        (
            "\nclass {@person}{person}:\n    {@field}: int = {number}\n    def {@function}(self, {stem}):\n"
            "        self.{@field} += {function}({stem}, {number})\n"
        ),
    ),
    Capability.AGENTIC_REASONING: (
        (
            "\nObservation: {function} returned {number} {noun} entries, "
            "{error} in {@file}.\nHistory: {function}, {@function}, {@function}\n"
        ),
        "\n$ run {@file} --{@field} {number}\n{error}: {stem} {@field} at {@file}\n",
        "",
    ),
    Capability.DATA_ANALYSIS: (
        "\n{@field},{@field},{stem}\n{number},{stem},{number}\n{number},{stem},{number}\n{number},{stem},{number}\n",
        "\n{@table}: {@field} int, {@field} text, {stem} date\n",
        "",
    ),
    Capability.RUBRIC_GRADING: (
        '\nA: "{@person} would {verb} {subject} {manner}, {reason}."\nB: "{verb} the {noun}: {subject} {aim}."\n',
        "\nAnswer: the {adjective} {noun} of {@person} {aim}; {subject} is {adjective}, {reason}.\n",
    ),
    Capability.OTHER: (
        "",
        "",
        '\n"{@person} said the {noun} was {adjective}. {@person} will {verb} {subject} {manner}, {reason}."\n',
        "\n- {subject}: {adjective}\n- {@person}: {noun}, {number}\n- {@field} {stem} {number}\n",
        (
            " Dear {@person}, the {adjective} {noun} about {subject} "
            "{aim}. We {verb} it {manner}, {reason}. {@person}, {@team} "
        ),
    ),
}
"""Material by capability; those without their own use that of OTHER."""

ENDINGS = (
    "{closing}",
    "{closing}",
    "",
    "Answer {manner}. {closing}",
    "-- {@person}",
    "Use {quantity} sentences. {closing}",
)

# Templates, systems and tool descriptions are instructions: their key is the template, so the wording is fixed by it.
PURPOSES: dict[Capability, tuple[str, ...]] = {
    Capability.AGENTIC_REASONING: (
        (
            "You are an autonomous agent that can {verb} a {adjective} {noun}. At each turn state one action, read the "
            "observation, and decide what to do next until the task {aim}. "
        ),
        ("Agent loop {stem}: think about the {adjective} {noun}, act, observe, {verb} again. Stop when it {aim}. "),
    ),
    Capability.SOFTWARE_ENGINEERING: (
        (
            "You maintain {adjective} {language} code. Fix the bug or implement the function below so that it {goal}. "
            "Add unit tests. "
        ),
        "Review this {language} pull request for the {adjective} {noun}: refactor what fails, keep what {goal}. ",
    ),
    Capability.LONG_HORIZON_PLANNING: (
        "Make a long-term plan with milestones, dependencies and risks over {span} for the {adjective} {noun}. ",
        "Draw up a roadmap: {quantity} phases, a schedule for {span}, and which milestone depends on which. ",
    ),
    Capability.TOOL_USE: (
        "You have the tools {tool}, {tool} and {tool}. Choose the tool, give its arguments, and use its result. ",
        "Answer only by invoking one of the available tools: {tool}, {tool}. Fill in every parameter. ",
    ),
    Capability.DATA_ANALYSIS: (
        "Analyse the dataset below: clean the columns, compute the distribution, and chart the {adjective} {noun}. ",
        "Given this table, run the regression that explains the {adjective} {noun} and report outliers. ",
    ),
    Capability.REASONING_ELICITATION: (
        "Think step by step and show your reasoning before you {verb} the {adjective} {noun}. ",
        "Solve the problem with a full chain of reasoning; each step must say why it {aim}. ",
    ),
    Capability.RUBRIC_GRADING: (
        "Grade the response below from 1 to 10 with this rubric: {criterion}, {criterion}, {criterion}. ",
        "Compare response A and response B for {criterion} and {criterion}, score both, and name the better one. ",
    ),
    Capability.OTHER: ("", "Dear assistant of {team}, ", "For the {adjective} {noun} of {team}: "),
}
"""What a template is for, before its head."""

HEADS = (
    (
        "You will receive one {noun} about {adjective} {noun} "
        "matters. First {verb} the {noun}, then {verb} the {adjective} "
        "{noun} {manner}, and finally {verb} {quantity} points {reason}. The answer must be one that {aim} and {aim}."
    ),
    (
        "Task: {verb} and {verb} the following {adjective} {noun} "
        "{manner}. Rules: {quantity} {adjective} parts, each with "
        "{criterion} and {criterion}; mention {tool} where useful; make sure it {aim}, {reason}."
    ),
    (
        "Below is a {noun} from the {adjective} {noun}. Give {quantity} {adjective} remarks, {verb} what matters for "
        "{criterion}, {verb} the rest {manner}. Your reply is used by {person}, so it {aim}."
    ),
    (
        "As a {adjective} {noun} specialist with {number} years of "
        "practice, {verb} the input {manner}. Work in {quantity} "
        "stages: {verb}, {verb}, {verb}. State {criterion} and {criterion} after each stage, {reason}."
    ),
    (
        "Complete the {noun}. Requirements: it {aim}; it {aim}; "
        "{criterion} before {criterion}. Return the {adjective} "
        "{noun} {manner} followed by {quantity} {adjective} alternatives and {reason}."
    ),
)
TAILS = (
    "\nReturn JSON with the keys {stem}, {stem} and {stem} only.",
    "\nSign it {person}, {team}.",
    "\nWrite at most {number} words {manner}.",
    "\nEnd with a line that says {stem} {stem} {number}.",
    "\nDo not mention the {adjective} {noun}; {verb} it {manner}.",
    "",
)
SYSTEMS = (
    (
        "You are {person}, a {adjective} assistant for {team}. You {verb} every {noun} {manner}, {reason}. Always "
        "respect {criterion}, never {verb} the {adjective} {noun}, and use {tool} when {quantity} facts are missing."
    ),
    (
        "You are an expert in {language} and {adjective} {noun} work "
        "at {team}. Answer {manner}. It is important that each "
        "reply {aim} and shows {criterion}. If {error} appears, {verb} the {noun} first."
    ),
    (
        "System {stem}-{number}. Mode: {adjective}. Tools: {tool}, "
        "{tool}. Goal: {verb} what was asked {manner}; the result "
        "{aim}. Policy: {criterion}, {criterion}. Style: {adjective}, {manner}."
    ),
)
TOOL_TEXTS = ("{verb} the {adjective} {noun} with the {tool} {manner}", "{tool} for {noun} entries, {reason}")
