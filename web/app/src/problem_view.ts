import { page } from "./page.js";

/** A failure in words for a person. */
export interface Problem {
  title: string;
  /** What to do. */
  advice: string;
  /** What the program said, for whoever is asked for help. */
  detail: string;
  /** Whether a token may help, which the page asks for then. */
  needsToken?: boolean;
}

/** Shows a problem in the place of the one before, or none. */
export function drawProblem(problem: Problem | null): void {
  page.problem.hidden = problem === null;
  page.problemTitle.textContent = problem?.title ?? "";
  page.problemAdvice.textContent = problem?.advice ?? "";
  page.problemDetail.textContent = problem?.detail ?? "";
  page.tokenForm.hidden = problem?.needsToken !== true;
}
